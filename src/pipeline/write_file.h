#pragma once

#include <cstddef>
#include <cstdint>

#include "io/assembly.h"
#include "pipeline/recipe.h"

namespace stkit {

struct WriteFileOptions {
  IoMode io = IoMode::Auto;
  RunOptions run;
  uint32_t progress_item = 0;  // advanced by the bytes of the output
};

// Writes all of file `index` of the plan, in memory that does not grow with any tensor.
Result<AssemblyReport> write_file(const Model& model, const OutputPlan& plan, size_t index,
                                  AtomicOutput& output, const WriteFileOptions& options);

// How many bytes of it could share their blocks with the model's files, on a filesystem that can do
// that in blocks of that size.
uint64_t shareable_bytes(const Model& model, const OutputPlan& plan, size_t index,
                         uint64_t block_bytes);

}  // namespace stkit
