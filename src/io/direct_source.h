// Reading a file past the page cache.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "io/system_calls.h"
#include "stkit/error.h"
#include "stkit/io.h"

namespace stkit {

// Transfers past the page cache are multiples of this at multiples of it, in files and in memory:
// a page, and no device here asks for more than 4096. A power of two.
size_t smallest_direct_block();

class DirectSource {
 public:
  // What read() needs of memory behind the bytes that it reads, in blocks.
  static constexpr size_t kRoomBlocks = 3;

  // `block_bytes` is a multiple of smallest_direct_block().
  DirectSource(SystemCalls& calls, std::shared_ptr<const RandomAccessFile> file,
               size_t block_bytes);

  // Fills the first `size` bytes of `room`, which is longer by kRoomBlocks blocks, the rest of
  // which gets any content. Offsets and addresses need no alignment. What the filesystem does not
  // transfer in this way is read in the ordinary one, with its errors.
  Result<void> read(uint64_t offset_bytes, size_t size, std::span<std::byte> room);

 private:
  Result<size_t> read_blocks(uint64_t first, size_t wanted, std::span<std::byte> blocks);

  SystemCalls& calls_;
  const std::shared_ptr<const RandomAccessFile> file_;
  const size_t block_bytes_;
  Descriptor direct_;  // not open once the filesystem has refused
};

// Opens `file` again with O_DIRECT and `access` (O_RDONLY, O_RDWR), through its descriptor, so that
// it is the same file whatever its name leads to by now. The flags of the descriptor itself stay:
// others may share them. Not open where that is not possible or needs larger blocks.
Descriptor open_direct(SystemCalls& calls, int file, int access, size_t block_bytes);

// Whether a transfer failed because the filesystem does not do it this way.
bool is_direct_refused(int number);

}  // namespace stkit
