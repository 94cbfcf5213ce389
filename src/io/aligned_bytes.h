// Memory for transfers past the page cache.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>

namespace stkit {

struct FreeBytes {
  void operator()(std::byte* bytes) const { std::free(bytes); }
};
using AlignedBytes = std::unique_ptr<std::byte[], FreeBytes>;

// Of any content. Both are multiples of a power of two, `alignment`; throws bad_alloc.
inline AlignedBytes allocate_aligned(size_t size, size_t alignment) {
  AlignedBytes bytes(static_cast<std::byte*>(std::aligned_alloc(alignment, size)));
  if (bytes == nullptr) throw std::bad_alloc();
  return bytes;
}

}  // namespace stkit
