#include "model/read_blocks.h"

#include <algorithm>

#include "base/parallel.h"

namespace stkit {
namespace {

// Large enough for full speed from any disk.
constexpr uint64_t kBufferBytes = uint64_t{4} << 20;
// Below this reading is mostly system calls; a smaller bound on memory takes fewer threads.
constexpr uint64_t kLeastBufferBytes = uint64_t{64} << 10;

}  // namespace

ReadBuffers::ReadBuffers(const RunOptions& run, size_t each)
    : threads_(thread_count(run)), each_(each), buffer_bytes_(kBufferBytes) {
  if (run.max_memory_bytes > 0) {
    const uint64_t least = kLeastBufferBytes * each;
    threads_ =
        static_cast<unsigned>(std::clamp<uint64_t>(run.max_memory_bytes / least, 1, threads_));
    buffer_bytes_ = static_cast<size_t>(
        std::clamp(run.max_memory_bytes / threads_ / each, kLeastBufferBytes, kBufferBytes));
  }
  buffers_.resize(threads_);
}

std::span<std::byte> ReadBuffers::one(unsigned worker) {
  std::vector<std::byte>& buffer = buffers_[worker];
  if (buffer.empty()) buffer.resize(buffer_bytes_ * each_);
  return std::span(buffer).first(buffer_bytes_);
}

std::pair<std::span<std::byte>, std::span<std::byte>> ReadBuffers::pair(unsigned worker) {
  const auto first = one(worker);
  return {first, std::span(buffers_[worker]).subspan(buffer_bytes_, buffer_bytes_)};
}

Result<void> read_in_blocks(const Model& model, const TensorInfo& tensor,
                            std::span<std::byte> buffer, const CancelToken* cancel, UseBlock use) {
  const DTypeInfo& row = info(tensor.dtype);
  const uint64_t most = buffer.size() / row.block_bytes * row.block_elements;
  for (uint64_t first = 0; first < tensor.element_count;) {
    if (cancel != nullptr) STKIT_TRY(cancel->check());
    const uint64_t count = std::min(most, tensor.element_count - first);
    STKIT_ASSIGN(const uint64_t bytes, storage_bytes(tensor.dtype, count));
    const auto block = buffer.first(static_cast<size_t>(bytes));
    STKIT_TRY(model.read(tensor, first, count, block));
    STKIT_TRY(use(first, block));
    first += count;
  }
  return {};
}

}  // namespace stkit
