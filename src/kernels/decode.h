#pragma once

#include <cstddef>
#include <span>

#include "stkit/dtype.h"

namespace stkit::kernels {

// The values of GGML blocks, as ggml computes them. Any alignment; allocates nothing.
// REQUIRES: a type that encode_rows writes; whole blocks; out.size() is their elements.
void decode_blocks(DType type, std::span<const std::byte> blocks, std::span<float> out);

}  // namespace stkit::kernels
