#pragma once

#include <cstddef>

#include "ops/merge/work.h"
#include "pipeline/write_file.h"

namespace stkit {

// Writes all of file `index` of work.weights, with the sums that are only known once it is written.
Result<AssemblyReport> write_weights(const MergeWork& work, size_t index, AtomicOutput& output,
                                     const WriteFileOptions& options);

}  // namespace stkit
