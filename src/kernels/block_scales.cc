#include "kernels/block_scales.h"

#include <algorithm>

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

}  // namespace stkit::kernels
