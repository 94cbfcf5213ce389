// Casts between float dtypes, as torch's `.to()` does them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "stkit/dtype.h"

namespace stkit::kernels {

// From: F64, F32, F16, BF16 and the 8-bit floats but F8_E8M0. To: F64, F32, F16, BF16, F8_E4M3,
// F8_E5M2.
bool can_cast(DType from, DType to);

// What becomes of values that are beyond the range of the target once they are rounded.
enum class BeyondRange : uint8_t {
  Clamp,     // the largest finite value
  Infinity,  // NaN in F8_E4M3, which has no infinity
};

// Rounds to nearest even, subnormals included. NaN stays NaN, with its sign; of its payload what
// fits. Returns how many values were beyond the range; infinities only count for F8_E4M3.
//
// F64 is rounded to F32 on its way to BF16 and to 8 bits, as in torch; to F16 it is rounded once.
// Each value depends on its own bits alone, so a tensor may be cast in pieces.
//
// REQUIRES: can_cast(from, to); whole elements, fewer than 2^32; `out` holds as many. Any
// alignment.
uint64_t cast(DType from, DType to, std::span<const std::byte> in, std::span<std::byte> out,
              BeyondRange beyond);

}  // namespace stkit::kernels
