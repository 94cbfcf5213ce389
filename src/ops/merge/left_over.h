// What a merge that was killed while it published its files left of them.
#pragma once

#include <cstdint>
#include <filesystem>

#include "io/atomic_output.h"
#include "ops/merge/work.h"
#include "stkit/error.h"

namespace stkit {

// Whether the file that is there may be this output itself: all bytes of a companion, the size and
// the header of weights, which are too many to be read before the merge.
Result<bool> looks_left_over(const MergeWork& work, const MergeOutput& output, uint64_t size_bytes);

// OutputExists when the file at `path` holds other bytes than `written`. Else it is what would be
// published, and it is on the disk if it has to be.
Result<void> check_left_over(SystemCalls& calls, const std::filesystem::path& path,
                             const AtomicOutput& written);

}  // namespace stkit
