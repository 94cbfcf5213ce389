#include "kernels/finite.h"

#include <cmath>
#include <cstddef>
#include <cstdint>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/finite.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace stkit::kernels::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

bool all_finite(std::span<const float> values) {
  const hn::ScalableTag<float> d;
  const hn::RebindToSigned<decltype(d)> di;
  // Without their signs, floats have the order of their bits, and NaN is above infinity.
  auto largest = hn::Zero(di);
  size_t i = 0;
  for (; i + hn::Lanes(d) <= values.size(); i += hn::Lanes(d))
    largest = hn::Max(largest, hn::BitCast(di, hn::Abs(hn::LoadU(d, values.data() + i))));
  constexpr int32_t kInfinity = 0x7F80'0000;
  if (!hn::AllTrue(di, hn::Lt(largest, hn::Set(di, kInfinity)))) return false;
  for (; i < values.size(); ++i)
    if (!std::isfinite(values[i])) return false;
  return true;
}

}  // namespace
}  // namespace stkit::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace stkit::kernels {

HWY_EXPORT(all_finite);

bool all_finite(std::span<const float> values) { return HWY_DYNAMIC_DISPATCH(all_finite)(values); }

}  // namespace stkit::kernels
#endif  // HWY_ONCE
