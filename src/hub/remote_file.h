// A file on a server, as the rest of the library reads files.
#pragma once

#include <memory>
#include <string>

#include "hub/range_source.h"
#include "stkit/io.h"

namespace stkit {

// 97 of 100 headers of published models fit.
inline constexpr uint64_t kHeaderWindowBytes = 128 * 1024;

// Reads of a few bytes fetch a window around them, so that a header costs one request, or two when
// it is longer than `window_bytes`; who goes on reading small pieces is given larger windows. Reads
// of more are a request each: let them be large, and many at once. `label` is how messages name it.
Result<std::unique_ptr<RandomAccessFile>> open_remote_file(
    Fetcher& fetcher, std::shared_ptr<RangeSource> source, std::string label,
    const CancelToken* cancel, uint64_t window_bytes = kHeaderWindowBytes);

// Bytes [offset, offset + out.size()), tried again where they stopped as the policy says.
Result<void> read_range(Fetcher& fetcher, RangeSource& source, uint64_t offset_bytes,
                        std::span<std::byte> out, const CancelToken* cancel);

}  // namespace stkit
