// GGML quantization as it ships: the bytes of block_reference.h, several times faster.
//
// The search for a sub-block's scale is the same for every sub-block, so each SIMD lane takes one
// and does the very operations of the scalar reference in its order. Nothing is reassociated, so
// the bytes are the same on every target.
#pragma once

#include <cstddef>
#include <span>

#include "stkit/dtype.h"

namespace stkit::kernels {

// Rows of `columns` elements each, one after another. `importance` is empty or has one weight a
// column. Allocates nothing; any alignment.
// REQUIRES: `type` is a GGML block type; columns is whole blocks; rows.size() is whole rows;
// out.size() is their bytes.
void encode_rows(DType type, std::span<const float> rows, size_t columns,
                 std::span<const float> importance, std::span<std::byte> out);

}  // namespace stkit::kernels
