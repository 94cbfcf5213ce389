// Reading an output back before it gets its name.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "io/atomic_output.h"
#include "ops/merge/work.h"
#include "stkit/error.h"

namespace stkit {

// Compares all of a weight file with what it was made from: the header with the plan, every tensor
// with its source, byte for byte, casts made once more. WriteFailed where they differ. Fills the
// digests, by index of work.weights.specs, of the tensors in the file.
Result<void> verify_weights(SystemCalls& calls, const MergeWork& work, size_t file,
                            const AtomicOutput& output, const RunOptions& run,
                            std::span<std::string> digests);

}  // namespace stkit
