// Writing an output past the page cache.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <unordered_map>

#include "io/aligned_bytes.h"
#include "io/atomic_output.h"
#include "stkit/error.h"

namespace stkit {

// Collects the blocks that two or more writers share, each of whom has only some of the bytes. At
// most two a writer are waiting, if writers take their ranges in the order of the output.
class SeamBlocks {
 public:
  struct Block {
    uint64_t offset_bytes;
    AlignedBytes bytes;
  };

  explicit SeamBlocks(size_t block_bytes) : block_bytes_(block_bytes) {}

  // Adds bytes that lie inside of one block, which has `size` in all. Returns it once none lacks.
  // REQUIRES: no byte is added twice.
  std::optional<Block> add(uint64_t offset_bytes, std::span<const std::byte> data, size_t size);

 private:
  struct Waiting {
    AlignedBytes bytes;
    size_t missing;
  };
  const size_t block_bytes_;
  std::mutex mutex_;
  std::unordered_map<uint64_t, Waiting> waiting_;
};

// Thread-safe. REQUIRES: the ranges that are written cover whole blocks in the end, each byte once.
class DirectOutput {
 public:
  // Null where the filesystem does not allow it.
  static std::unique_ptr<DirectOutput> open(AtomicOutput& output);

  size_t block_bytes() const { return block_bytes_; }
  uint64_t direct_bytes() const { return direct_bytes_; }

  // REQUIRES: data lies in memory as in the file, in so far as blocks go. What the filesystem does
  // not transfer past the page cache, and the last block of the file unless it is whole, is written
  // in the ordinary way.
  Result<void> write(uint64_t offset_bytes, std::span<const std::byte> data);

 private:
  DirectOutput(AtomicOutput& output, Descriptor direct, size_t block_bytes);

  Result<void> write_blocks(uint64_t offset_bytes, std::span<const std::byte> blocks);
  Result<void> write_edge(uint64_t offset_bytes, std::span<const std::byte> data);

  AtomicOutput& output_;
  const Descriptor direct_;
  const size_t block_bytes_;
  SeamBlocks seams_;
  std::atomic<bool> refused_{false};
  std::atomic<uint64_t> direct_bytes_{0};
};

}  // namespace stkit
