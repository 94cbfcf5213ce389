// What zip archives need of zlib: raw deflate streams and CRC-32.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "stkit/error.h"
#include "stkit/io.h"

namespace stkit {

// The CRC-32 of bytes that follow others whose CRC-32 is `crc`; 0 for the first.
uint32_t crc32_of(std::span<const std::byte> bytes, uint32_t crc = 0);

// The CRC-32 of two runs of bytes one behind the other, of `second_bytes` the second.
uint32_t joined_crc32(uint32_t first, uint32_t second, uint64_t second_bytes);

// A deflate stream (RFC 1951) in a run of a file, from front to back, in constant memory.
class Inflater {
 public:
  // `file` must outlive it. REQUIRES: the run lies inside the file.
  Inflater(const RandomAccessFile& file, uint64_t offset_bytes, uint64_t compressed_bytes);
  Inflater(Inflater&&) noexcept;
  ~Inflater();

  // Fills `out` with what comes next. Corrupt when the stream is damaged or ends too early.
  Result<void> read(std::span<std::byte> out);

  // Corrupt unless the stream ends here and leaves nothing of its run over.
  Result<void> expect_end();

  uint64_t position() const;  // bytes read so far

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace stkit
