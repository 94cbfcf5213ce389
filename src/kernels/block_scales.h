// The second stage of the super-block types: the sub-blocks' scales as small codes of a half.
// Shared by the reference and the kernels; the golden digests cover it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace stkit::kernels {

struct SuperScales {
  uint16_t d = 0, dmin = 0;
  std::array<uint8_t, 16> scales{}, mins{};
};

// What the first stage found; 8 or 16 entries are used.
struct SubFits {
  std::array<float, 16> scales{}, mins{}, weight_sums{};
};

// `weighted`: by the sums of the sub-blocks' weights, as with an imatrix.
SuperScales quantize_scales(int max_code, size_t count, const SubFits& fits, bool weighted);

// The first value of the largest magnitude.
float extreme_of(std::span<const float> x);

// Q3_K: the half that all scales are multiples of; codes are the multiples plus 32. With the sums
// of the sub-blocks' weights where there is an imatrix, else `weight_sums` is empty.
uint16_t quantize_signed_scales(std::span<const float> scales, std::span<const float> weight_sums,
                                std::span<uint8_t, 16> codes);

}  // namespace stkit::kernels
