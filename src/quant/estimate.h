// What quantizing a model would make of its tensors, from their shapes alone.
#pragma once

#include <cstdint>
#include <span>

#include "quant/types.h"
#include "stkit/tensor.h"

namespace stkit::quant {

// The type that `quantize --isq` gives to a tensor of a model without a mix of its own:
//
//   matrix whose name ends in `weight`, not a norm   the type, or its fallback
//   vector or norm                                   F32
//   anything else, and what is not a plain float     as it is
//
// Leading dimensions of 1 do not count: [1, n] is a vector. A row is the last dimension.
DType isq_type(const TensorInfo& tensor, const QuantType& type);

// Bytes of all tensors after that; saturates instead of wrapping.
uint64_t estimate_bytes(std::span<const TensorInfo> tensors, const QuantType& type);

}  // namespace stkit::quant
