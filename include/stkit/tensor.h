// What a tensor is, whatever it comes from: a name, a dtype, a shape, and elements that can be
// read at any position (see Model::read).
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string_view>

#include "stkit/dtype.h"

namespace stkit {

// Outermost dimension first. Empty for a scalar.
using Shape = std::span<const uint64_t>;

// The product of the dimensions, multiplied in order as the safetensors library does: fails where
// that overflows, so [0, 2^64-1, 2] is 0 and [2^64-1, 2, 0] is an error.
Result<uint64_t> element_count(Shape shape);

// A run of bytes of one file of a model.
struct ByteRun {
  uint32_t file = 0;  // index into Model::files()
  uint64_t offset_bytes = 0;
  uint64_t size_bytes = 0;

  friend bool operator==(const ByteRun&, const ByteRun&) = default;
};

// Small on purpose (real models have a million of them): names and shapes are views into storage
// that the owner of the tensor list keeps.
struct TensorInfo {
  std::string_view name;
  Shape shape;
  uint64_t element_count = 0;
  uint64_t size_bytes = 0;    // of all elements, packed
  uint64_t offset_bytes = 0;  // from the start of the file; no meaning unless `contiguous`
  uint32_t file = 0;          // index into Model::files(); of its first element when scattered
  DType dtype = DType::U8;
  bool contiguous = true;  // its bytes are one run of one file, in element order

  // The run of bytes that a copy may take as it is.
  std::optional<ByteRun> run() const {
    if (!contiguous) return std::nullopt;
    return ByteRun{file, offset_bytes, size_bytes};
  }
};

}  // namespace stkit
