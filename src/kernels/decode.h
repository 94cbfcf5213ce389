#pragma once

#include <cstddef>
#include <span>

#include "stkit/dtype.h"

namespace stkit::kernels {

// Types whose blocks decode_blocks knows: those that encode_rows writes.
bool is_decoded(DType type);

// The values of GGML blocks, as ggml computes them. Any alignment; allocates nothing.
// REQUIRES: is_decoded(type); whole blocks; out.size() is their elements.
void decode_blocks(DType type, std::span<const std::byte> blocks, std::span<float> out);

}  // namespace stkit::kernels
