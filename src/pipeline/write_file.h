#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "io/assembly.h"
#include "pipeline/recipe.h"

namespace stkit {

// Sees the bytes of tensors while they are written. Thread-safe.
class TensorWatcher {
 public:
  virtual ~TensorWatcher() = default;
  // Of file.tensors[tensor], at `offset_bytes` of it; each byte once, in any order.
  virtual void see(size_t tensor, uint64_t offset_bytes, std::span<const std::byte> bytes) = 0;
};

struct WriteFileOptions {
  IoMode io = IoMode::Auto;
  RunOptions run;
  uint32_t progress_item = 0;  // advanced by the bytes of the output
  // With one, plain copies go through memory, too.
  TensorWatcher* watcher = nullptr;
};

// Writes all of file `index` of the plan, in memory that does not grow with any tensor.
Result<AssemblyReport> write_file(const Model& model, const OutputPlan& plan, size_t index,
                                  AtomicOutput& output, const WriteFileOptions& options);

// How many bytes of it could share their blocks with the model's files, on a filesystem that can do
// that in blocks of that size.
uint64_t shareable_bytes(const Model& model, const OutputPlan& plan, size_t index,
                         uint64_t block_bytes);

}  // namespace stkit
