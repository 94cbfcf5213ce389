#pragma once

#include <cstddef>
#include <span>

#include "stkit/dtype.h"

namespace stkit::kernels {

// Super-blocks of a type with a minimum: Q2_K, Q4_K, Q5_K. `importance` is empty or has
// `columns` weights, the first for the first element.
void encode_with_min(DType type, std::span<const float> x, size_t columns,
                     std::span<const float> importance, std::byte* out);

}  // namespace stkit::kernels
