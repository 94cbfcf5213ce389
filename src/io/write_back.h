// Keeps a large output that goes through the page cache from filling memory with it.
#pragma once

#include <atomic>
#include <cstdint>

#include "io/atomic_output.h"

namespace stkit {

// Thread-safe. REQUIRES: what is written moves from the start of the output to its end, roughly.
class WriteBack {
 public:
  enum class Kind : uint8_t {
    None,   // the kernel does it when it likes
    Early,  // so that the final sync has little left to do
    Drop,   // and the pages leave memory, so that they push nothing else out
  };

  WriteBack(AtomicOutput& output, Kind kind) : output_(output), kind_(kind) {}

  // Says that so many more bytes were written.
  Result<void> add(uint64_t bytes);

 private:
  void start(uint64_t window);
  Result<void> drop(uint64_t window);

  AtomicOutput& output_;
  const Kind kind_;
  std::atomic<uint64_t> written_bytes_{0};
};

// The same for a source of which [offset, offset + size) was read just now, in order.
void drop_behind(SystemCalls& calls, int file, uint64_t offset_bytes, uint64_t size_bytes);

}  // namespace stkit
