// The second stage of the super-block types with a minimum: scales and mins of the sub-blocks as
// small codes of two halves. Shared by the reference and the kernels; the golden digests cover it.
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
  std::array<float, 16> scales, mins, weight_sums;
};

// `weighted`: by the sums of the sub-blocks' weights, as with an imatrix.
SuperScales quantize_scales(int max_code, size_t count, const SubFits& fits, bool weighted);

}  // namespace stkit::kernels
