// The CRC-32 of content that comes in pieces, in any order and from any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <span>

namespace stkit {

// Runs that touch are joined at once, so that memory does not grow with the content but with the
// gaps in it: one a thread, mostly.
class Crc32Runs {
 public:
  // Each byte once.
  void add(uint64_t offset_bytes, std::span<const std::byte> bytes);

  // Of all of it. REQUIRES: everything from byte 0 on was added.
  uint32_t value() const;

 private:
  struct Run {
    uint64_t size_bytes;
    uint32_t crc;
  };
  std::mutex mutex_;
  std::map<uint64_t, Run> runs_;  // by offset
};

}  // namespace stkit
