// GGML's quantizers and their inverse, written plainly: the truth that the SIMD kernels are tested
// against and that they hand odd blocks to. Bytes equal ggml's x86-64 builds (which have no FMA).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "stkit/dtype.h"

namespace stkit::kernels::reference {

// One row of a tensor. `importance` is empty or has one weight a column (an imatrix row); Q8_0 and
// MXFP4 ignore it.
// REQUIRES: a GGML block type; row.size() is whole blocks; out.size() is their bytes.
void encode_row(DType type, std::span<const float> row, std::span<const float> importance,
                std::span<std::byte> out);

// MXFP4's shared exponent for a block whose largest magnitude this is.
uint8_t mxfp4_exponent(float magnitude);

// Any run of whole blocks.
void decode_blocks(DType type, std::span<const std::byte> blocks, std::span<float> out);

}  // namespace stkit::kernels::reference
