#include "io/direct_output.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "io/direct_source.h"

namespace stkit {

std::optional<SeamBlocks::Block> SeamBlocks::add(uint64_t offset_bytes,
                                                 std::span<const std::byte> data, size_t size) {
  const auto inside = static_cast<size_t>(offset_bytes % block_bytes_);
  const uint64_t block = offset_bytes - inside;
  const std::lock_guard lock(mutex_);
  const auto [place, is_new] = waiting_.try_emplace(block);
  Waiting& waiting = place->second;
  if (is_new) waiting = {allocate_aligned(block_bytes_, block_bytes_), size};
  STKIT_CHECK(data.size() <= waiting.missing && inside + data.size() <= size);
  std::memcpy(waiting.bytes.get() + inside, data.data(), data.size());
  waiting.missing -= data.size();
  if (waiting.missing > 0) return std::nullopt;
  Block whole{block, std::move(waiting.bytes)};
  waiting_.erase(place);
  return whole;
}

std::unique_ptr<DirectOutput> DirectOutput::open(AtomicOutput& output) {
  const size_t block = smallest_direct_block();
  Descriptor direct = open_direct(output.calls(), output.descriptor(), O_RDWR, block);
  if (!direct.is_open()) return nullptr;
  return std::unique_ptr<DirectOutput>(new DirectOutput(output, std::move(direct), block));
}

DirectOutput::DirectOutput(AtomicOutput& output, Descriptor direct, size_t block_bytes)
    : output_(output), direct_(std::move(direct)), block_bytes_(block_bytes), seams_(block_bytes) {}

Result<void> DirectOutput::write(uint64_t offset_bytes, std::span<const std::byte> data) {
  const auto after_block = static_cast<size_t>(offset_bytes % block_bytes_);
  if (after_block > 0) {
    const size_t head = std::min(block_bytes_ - after_block, data.size());
    STKIT_TRY(write_edge(offset_bytes, data.first(head)));
    offset_bytes += head;
    data = data.subspan(head);
  }
  const size_t tail = data.size() % block_bytes_;
  STKIT_TRY(write_blocks(offset_bytes, data.first(data.size() - tail)));
  if (tail == 0) return {};
  return write_edge(offset_bytes + data.size() - tail, data.last(tail));
}

Result<void> DirectOutput::write_edge(uint64_t offset_bytes, std::span<const std::byte> data) {
  const uint64_t begin = offset_bytes - offset_bytes % block_bytes_;
  const auto size =
      static_cast<size_t>(std::min<uint64_t>(block_bytes_, output_.size_bytes() - begin));
  const auto block = seams_.add(offset_bytes, data, size);
  if (!block) return {};
  const std::span bytes(block->bytes.get(), size);
  return size == block_bytes_ ? write_blocks(begin, bytes) : output_.write_at(begin, bytes);
}

Result<void> DirectOutput::write_blocks(uint64_t offset_bytes, std::span<const std::byte> blocks) {
  while (!blocks.empty() && blocks.size() % block_bytes_ == 0 &&
         !refused_.load(std::memory_order_relaxed)) {
    const ssize_t count = uninterrupted([&] {
      return output_.calls().pwrite(direct_.get(), blocks, static_cast<off_t>(offset_bytes));
    });
    if (count < 0 && is_direct_refused(errno)) {
      refused_.store(true, std::memory_order_relaxed);
      break;
    }
    if (count <= 0) return fail(output_.write_failed(count < 0 ? errno : EIO, offset_bytes));
    direct_bytes_.fetch_add(static_cast<uint64_t>(count), std::memory_order_relaxed);
    blocks = blocks.subspan(static_cast<size_t>(count));
    offset_bytes += static_cast<uint64_t>(count);
  }
  return output_.write_at(offset_bytes, blocks);
}

}  // namespace stkit
