#include "kernels/block_scales.h"

#include <algorithm>
#include <cmath>

#include "kernels/block_fit.h"
#include "kernels/half.h"

namespace stkit::kernels {

SuperScales quantize_scales(int max_code, size_t count, const SubFits& fits, bool weighted) {
  SuperScales out;
  const auto quantize = [&](const std::array<float, 16>& values, std::array<uint8_t, 16>& codes) {
    const std::span<const float> used = std::span(values).first(count);
    if (weighted) {
      return to_f16(reference::fit_positive(
          max_code, used, std::span(fits.weight_sums).first(count), std::span(codes).first(count)));
    }
    float high = 0;
    for (const float value : used) high = value > high ? value : high;
    const auto full = static_cast<float>(max_code);
    if (!(high > 0)) return to_f16(0);
    const float inverse = full / high;
    for (size_t j = 0; j < count; ++j)
      codes[j] = std::min(static_cast<uint8_t>(max_code),
                          static_cast<uint8_t>(reference::round_to_int(inverse * used[j])));
    return to_f16(high / full);
  };
  out.d = quantize(fits.scales, out.scales);
  out.dmin = quantize(fits.mins, out.mins);
  return out;
}

float extreme_of(std::span<const float> x) {
  float magnitude = 0, extreme = 0;
  for (const float value : x) {
    if (std::fabs(value) > magnitude) {
      magnitude = std::fabs(value);
      extreme = value;
    }
  }
  return extreme;
}

uint16_t quantize_signed_scales(std::span<const float> scales, std::span<const float> weight_sums,
                                std::span<uint8_t, 16> codes) {
  if (!weight_sums.empty()) return to_f16(reference::fit_symmetric(32, scales, weight_sums, codes));
  std::ranges::fill(codes, uint8_t{0});
  const float extreme = extreme_of(scales);
  if (extreme == 0) return to_f16(0);
  const float inverse = -32.0f / extreme;
  for (size_t j = 0; j < scales.size(); ++j) {
    const auto code = static_cast<int8_t>(reference::round_to_int(inverse * scales[j]));
    codes[j] = static_cast<uint8_t>(std::clamp<int>(code, -32, 31) + 32);
  }
  return to_f16(1 / inverse);
}

}  // namespace stkit::kernels
