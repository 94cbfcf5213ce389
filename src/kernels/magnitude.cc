#include "kernels/magnitude.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/magnitude.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace stkit::kernels::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

float largest_magnitude(std::span<const float> values) {
  const hn::ScalableTag<float> d;
  const hn::RebindToSigned<decltype(d)> di;
  // Without their signs, floats have the order of their bits, and NaN is above infinity.
  auto largest = hn::Zero(di);
  size_t i = 0;
  for (; i + hn::Lanes(d) <= values.size(); i += hn::Lanes(d))
    largest = hn::Max(largest, hn::BitCast(di, hn::Abs(hn::LoadU(d, values.data() + i))));
  int32_t bits = hn::GetLane(hn::MaxOfLanes(di, largest));
  for (; i < values.size(); ++i)
    bits = std::max(bits, std::bit_cast<int32_t>(std::fabs(values[i])));
  return std::bit_cast<float>(bits);
}

}  // namespace
}  // namespace stkit::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace stkit::kernels {

HWY_EXPORT(largest_magnitude);

float largest_magnitude(std::span<const float> values) {
  return HWY_DYNAMIC_DISPATCH(largest_magnitude)(values);
}

}  // namespace stkit::kernels
#endif  // HWY_ONCE
