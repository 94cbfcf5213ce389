// A file on a server, as the rest of the library reads files.
#pragma once

#include <memory>
#include <string>

#include "hub/range_source.h"
#include "stkit/io.h"

namespace stkit {

// Reads of a few bytes fetch a window around them, so that a header costs one request, or two when
// it is longer than the window. `label` is how messages name it.
Result<std::unique_ptr<RandomAccessFile>> open_remote_file(Fetcher& fetcher,
                                                           std::shared_ptr<RangeSource> source,
                                                           std::string label,
                                                           const CancelToken* cancel);

// Bytes [offset, offset + out.size()), tried again where they stopped as the policy says.
Result<void> read_range(Fetcher& fetcher, RangeSource& source, uint64_t offset_bytes,
                        std::span<std::byte> out, const CancelToken* cancel);

}  // namespace stkit
