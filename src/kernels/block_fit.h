// The searches behind GGML's quantizers, one sub-block at a time: the scalar truth.
//
// Results are compared byte for byte with ggml's, so every operation is single precision, in this
// very order, without contraction to FMA (the layer is compiled with -ffp-contract=off).
#pragma once

#include <bit>
#include <cstdint>
#include <span>

namespace stkit::kernels::reference {

// Below this a block counts as zero.
inline constexpr float kTiny = 1e-15f;

// To the nearest integer, ties to even, for |value| < 2^22; beyond, the low bits of the sum, as
// ggml's trick gives them.
inline int round_to_int(float value) {
  const auto bits = std::bit_cast<int32_t>(value + 12582912.0f);
  return (bits & 0x007FFFFF) - 0x00400000;
}
// What x86's conversion gives: INT_MIN for what does not fit.
int truncate_to_int(float value);

// x ~ scale * (code - levels), codes in [0, 2 * levels). Weights x * x when `weights` is empty.
// Returns the scale, which is negative where the largest value is positive.
float fit_symmetric(int levels, std::span<const float> x, std::span<const float> weights,
                    std::span<uint8_t> codes);

// The same with a greedy refinement of single codes instead of a grid; weights x * x.
float fit_symmetric_greedy(int levels, std::span<const float> x, std::span<uint8_t> codes);

struct Grid {
  float start;
  float step;
  int steps;
  bool absolute_error;  // instead of squared
};

struct ScaleAndMin {
  float scale;
  float min;  // x ~ scale * code - min, min >= 0
};

// Codes in [0, max_code].
ScaleAndMin fit_with_min(int max_code, std::span<const float> x, std::span<const float> weights,
                         const Grid& grid, std::span<uint8_t> codes);

// x ~ scale * code for x >= 0, codes in [0, max_code].
float fit_positive(int max_code, std::span<const float> x, std::span<const float> weights,
                   std::span<uint8_t> codes);

}  // namespace stkit::kernels::reference
