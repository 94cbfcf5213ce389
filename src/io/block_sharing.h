// Outputs that share disk blocks with their sources, on filesystems that can do that.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "io/assembly.h"

namespace stkit {

// Shares as much of the output as can be and returns those ranges of it, ascending and apart. Both
// ends are multiples of `block_bytes`. The first refusal ends it: all of the rest is to be copied,
// and whatever was wrong shows again then.
Result<std::vector<FileRange>> share_blocks(AtomicOutput& output, std::span<const Segment> segments,
                                            const AssemblyOptions& options, uint64_t block_bytes);

// How many bytes share_blocks() shares where nothing is refused and blocks are that large.
uint64_t shareable_bytes(std::span<const Segment> segments, uint64_t block_bytes);

}  // namespace stkit
