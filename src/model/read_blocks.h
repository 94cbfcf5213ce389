// Reading whole tensors from front to back, in bounded memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "base/function_ref.h"
#include "stkit/error.h"
#include "stkit/model.h"
#include "stkit/progress.h"

namespace stkit {

// `each` buffers a thread, made when the thread first asks.
class ReadBuffers {
 public:
  ReadBuffers(const RunOptions& run, size_t each);

  unsigned threads() const { return threads_; }
  size_t buffer_bytes() const { return buffer_bytes_; }
  std::span<std::byte> one(unsigned worker);
  // REQUIRES: each == 2.
  std::pair<std::span<std::byte>, std::span<std::byte>> pair(unsigned worker);

 private:
  unsigned threads_;
  size_t each_;
  size_t buffer_bytes_;
  std::vector<std::vector<std::byte>> buffers_;
};

// Calls use(first_element, block) for the bytes of a tensor from front to back, in blocks that fit
// `buffer`. REQUIRES: buffer holds at least one block of the dtype.
using UseBlock = FunctionRef<Result<void>(uint64_t first_element, std::span<const std::byte>)>;
Result<void> read_in_blocks(const Model& model, const TensorInfo& tensor,
                            std::span<std::byte> buffer, const CancelToken* cancel, UseBlock use);

}  // namespace stkit
