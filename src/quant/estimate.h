// What quantizing a model would make of its tensors, from their shapes alone.
#pragma once

#include <cstdint>
#include <span>

#include "quant/types.h"
#include "stkit/tensor.h"

namespace stkit::quant {

// What a tensor is to a quantizer, by its name and shape. Leading dimensions of 1 do not count:
// [1, n] is a vector. A row is the last dimension.
enum class TensorRole : uint8_t {
  Matrix,  // whose name ends in `weight`, and not a norm
  Vector,  // or norm
  Other,
};
TensorRole role_of(const TensorInfo& tensor);

// Types that hold weights as they were trained. Smaller floats often come with scales of their own.
bool is_plain_float(DType dtype);

// The type that `quantize --isq` gives to a tensor of a model without a mix of its own:
//
//   matrix                                        the type, or its fallback
//   vector                                        F32
//   anything else, and what is not a plain float  as it is
DType isq_type(const TensorInfo& tensor, const QuantType& type);

// Bytes of all tensors after that; saturates instead of wrapping.
uint64_t estimate_bytes(std::span<const TensorInfo> tensors, const QuantType& type);

}  // namespace stkit::quant
