#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "base/check.h"
#include "kernels/stats_blocks.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/stats_float.cc"
#include <hwy/foreach_target.h>
// Highway wants to come after foreach_target.
#include <hwy/highway.h>

#include "kernels/widen-inl.h"

HWY_BEFORE_NAMESPACE();
namespace stkit::kernels::HWY_NAMESPACE {

// Elements between the flushes of a block's sums: 8 KiB of bf16 and 16 KiB of f32, so that the
// second pass over a block finds it in the L1 cache.
constexpr size_t kBlock = 4096;
static_assert(kStatsBlockElements % kBlock == 0);

// Sums run over this many lanes on every target: lane l takes elements l, l + 32, ... A vector of
// double holds 1 to 8 of them.
constexpr size_t kLanes = 32;
constexpr size_t kRowsPerGroup = 4;
constexpr size_t kGroup = kLanes * kRowsPerGroup;

struct LaneSums {
  double sum[kLanes] = {};
  double squares[kLanes] = {};
};

double fold(const double* lanes) {
  double half[kLanes];
  std::copy(lanes, lanes + kLanes, half);
  for (size_t width = kLanes / 2; width > 0; width /= 2)
    for (size_t lane = 0; lane < width; ++lane) half[lane] += half[lane + width];
  return half[0];
}

// --- counts and extremes, in the integer domain -----------------------------------------------
//
// Bits with sign and magnitude, read as unsigned: non-negative values in their order, then negative
// ones in the order of their magnitude. Read as signed: negative ones first. So three extremes say
// which values are the smallest and the largest, and whether any of them is not finite.
template <class Bits>
struct Extremes {
  Bits least = 0, most = 0;  // unsigned
  Bits most_signed = 0;
  uint64_t zero = 0, nan = 0, inf = 0;

  static constexpr Bits kSign = static_cast<Bits>(Bits{1} << (sizeof(Bits) * 8 - 1));
  Bits smallest_value() const { return most >= kSign ? most : least; }
  Bits largest_value() const { return most_signed < kSign ? most_signed : least; }
};

template <class Format>
typename Format::Bits bits_at(const uint8_t* data, size_t index) {
  typename Format::Bits bits;
  std::memcpy(&bits, data + index * sizeof(bits), sizeof(bits));
  return bits;
}

// Vectors of at most 512 bits, so that their lanes fit fixed arrays.
template <class T>
using VectorTag = hn::CappedTag<T, 64 / sizeof(T)>;

template <class T>
struct LaneValues {
  HWY_ALIGN T value[64 / sizeof(T)];
};

template <class D>
HWY_INLINE LaneValues<hn::TFromD<D>> lanes_of(D d, hn::Vec<D> vector) {
  LaneValues<hn::TFromD<D>> out;
  hn::Store(vector, d, out.value);
  return out;
}

// Values that are not finite are counted and then count as `filler`, any finite element, so that
// they leave the extremes alone. kSpecials = false skips that, for data without any.
template <class Format, bool kSpecials>
Extremes<typename Format::Bits> scan(const uint8_t* data, size_t count,
                                     typename Format::Bits filler) {
  using Bits = typename Format::Bits;
  const VectorTag<Bits> d;
  const hn::RebindToSigned<decltype(d)> ds;
  const size_t lanes = hn::Lanes(d);
  const auto magnitude_mask = hn::Set(d, static_cast<Bits>(~Extremes<Bits>::kSign));
  const auto infinity = hn::Set(d, Format::kInfinity);
  const auto fill = hn::Set(d, filler);
  auto least = fill, most = fill;
  auto most_signed = hn::BitCast(ds, fill);
  // A lane counts at most kBlock, which 16 bits hold.
  auto zero = hn::Zero(d), nan = hn::Zero(d), inf = hn::Zero(d);

  size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    auto bits = load_elements(d, data + i * sizeof(Bits));
    const auto magnitude = hn::And(bits, magnitude_mask);
    zero = hn::Sub(zero, hn::VecFromMask(d, hn::Eq(magnitude, hn::Zero(d))));
    if constexpr (kSpecials) {
      const auto is_inf = hn::Eq(magnitude, infinity);
      // Signed: SSE and AVX2 compare unsigned integers in several steps.
      const auto is_nan =
          hn::RebindMask(d, hn::Gt(hn::BitCast(ds, magnitude), hn::BitCast(ds, infinity)));
      inf = hn::Sub(inf, hn::VecFromMask(d, is_inf));
      nan = hn::Sub(nan, hn::VecFromMask(d, is_nan));
      bits = hn::IfThenElse(hn::Or(is_inf, is_nan), fill, bits);
    }
    least = hn::Min(least, bits);
    most = hn::Max(most, bits);
    most_signed = hn::Max(most_signed, hn::BitCast(ds, bits));
  }

  const auto least_of = lanes_of(d, least), most_of = lanes_of(d, most);
  const auto most_signed_of = lanes_of(d, hn::BitCast(d, most_signed));
  const auto zero_of = lanes_of(d, zero), nan_of = lanes_of(d, nan), inf_of = lanes_of(d, inf);
  Extremes<Bits> all{filler, filler, filler, 0, 0, 0};
  const auto take = [&all](Bits low, Bits high, Bits high_signed) {
    using Signed = std::make_signed_t<Bits>;
    if (low < all.least) all.least = low;
    if (high > all.most) all.most = high;
    if (static_cast<Signed>(high_signed) > static_cast<Signed>(all.most_signed))
      all.most_signed = high_signed;
  };
  for (size_t lane = 0; lane < lanes; ++lane) {
    take(least_of.value[lane], most_of.value[lane], most_signed_of.value[lane]);
    all.zero += zero_of.value[lane];
    all.nan += nan_of.value[lane];
    all.inf += inf_of.value[lane];
  }
  for (; i < count; ++i) {
    Bits bits = bits_at<Format>(data, i);
    const Bits magnitude = static_cast<Bits>(bits & static_cast<Bits>(~Extremes<Bits>::kSign));
    all.zero += magnitude == 0;
    if constexpr (kSpecials) {
      all.inf += magnitude == Format::kInfinity;
      all.nan += magnitude > Format::kInfinity;
      if (magnitude >= Format::kInfinity) bits = filler;
    }
    take(bits, bits, bits);
  }
  return all;
}

template <class Format>
bool is_finite(typename Format::Bits bits) {
  return (bits & static_cast<typename Format::Bits>(~Extremes<typename Format::Bits>::kSign)) <
         Format::kInfinity;
}

// --- sums ---------------------------------------------------------------------------------------

// With kMasked, values that are not finite count as the pilot, which adds nothing.
template <bool kMasked, class D>
HWY_INLINE hn::Vec<D> from_pilot(D d, hn::Vec<D> values, hn::Vec<D> pilot) {
  if constexpr (kMasked) {
    const auto infinity = hn::Set(d, std::numeric_limits<hn::TFromD<D>>::infinity());
    values = hn::IfThenElse(hn::Lt(hn::Abs(values), infinity), values, pilot);
  }
  return hn::Sub(values, pilot);
}

// In double throughout.
template <class Format, bool kMasked>
void add_wide(const uint8_t* data, size_t groups, double pilot_value, double scale_value,
              LaneSums& sums) {
  constexpr size_t kBytes = sizeof(typename Format::Bits);
  const hn::CappedTag<double, kLanes / 4> d;
  const size_t lanes = hn::Lanes(d);
  const auto pilot = hn::Set(d, pilot_value), scale = hn::Set(d, scale_value);
  const auto load = [&](size_t element) HWY_ATTR {
    auto values = load_doubles<Format>(d, data + element * kBytes);
    // Only these need it: see exponent_for.
    if constexpr (kBytes == sizeof(double)) values = hn::Mul(values, scale);
    return from_pilot<kMasked>(d, values, pilot);
  };
  // Four vectors at a time hide the latency of the additions.
  for (size_t lane = 0; lane < kLanes; lane += 4 * lanes) {
    double* sum = sums.sum + lane;
    double* squares = sums.squares + lane;
    auto s0 = hn::LoadU(d, sum), s1 = hn::LoadU(d, sum + lanes);
    auto s2 = hn::LoadU(d, sum + 2 * lanes), s3 = hn::LoadU(d, sum + 3 * lanes);
    auto q0 = hn::LoadU(d, squares), q1 = hn::LoadU(d, squares + lanes);
    auto q2 = hn::LoadU(d, squares + 2 * lanes), q3 = hn::LoadU(d, squares + 3 * lanes);
    for (size_t row = 0; row < groups * kRowsPerGroup; ++row) {
      const size_t element = row * kLanes + lane;
      const auto x0 = load(element), x1 = load(element + lanes);
      const auto x2 = load(element + 2 * lanes), x3 = load(element + 3 * lanes);
      s0 = hn::Add(s0, x0);
      s1 = hn::Add(s1, x1);
      s2 = hn::Add(s2, x2);
      s3 = hn::Add(s3, x3);
      q0 = hn::Add(q0, hn::Mul(x0, x0));
      q1 = hn::Add(q1, hn::Mul(x1, x1));
      q2 = hn::Add(q2, hn::Mul(x2, x2));
      q3 = hn::Add(q3, hn::Mul(x3, x3));
    }
    hn::StoreU(s0, d, sum);
    hn::StoreU(s1, d, sum + lanes);
    hn::StoreU(s2, d, sum + 2 * lanes);
    hn::StoreU(s3, d, sum + 3 * lanes);
    hn::StoreU(q0, d, squares);
    hn::StoreU(q1, d, squares + lanes);
    hn::StoreU(q2, d, squares + 2 * lanes);
    hn::StoreU(q3, d, squares + 3 * lanes);
  }
}

// The double accumulators of one vector of floats.
template <class DF>
class WidenedSum {
#if HWY_TARGET == HWY_SCALAR
  using DD = hn::Rebind<double, DF>;
#else
  using DD = hn::Repartition<double, DF>;
  using DH = hn::Rebind<float, DD>;
#endif
 public:
  explicit HWY_INLINE WidenedSum(const double* lanes)
      : low_(hn::LoadU(DD(), lanes)), high_(hn::LoadU(DD(), lanes + hn::Lanes(DF()) / 2)) {}

  HWY_INLINE void add(hn::Vec<DF> values) {
#if HWY_TARGET == HWY_SCALAR
    low_ = hn::Add(low_, hn::PromoteTo(DD(), values));
#else
    low_ = hn::Add(low_, hn::PromoteTo(DD(), hn::LowerHalf(DH(), values)));
    high_ = hn::Add(high_, hn::PromoteTo(DD(), hn::UpperHalf(DH(), values)));
#endif
  }

  HWY_INLINE void store(double* lanes) const {
    // In this order: a vector of one lane has its sum in low_.
    hn::StoreU(high_, DD(), lanes + hn::Lanes(DF()) / 2);
    hn::StoreU(low_, DD(), lanes);
  }

 private:
  hn::Vec<DD> low_, high_;
};

// For types of 16 bits: differences and squares in float, added by fours before they are widened.
// A square of bf16 takes 16 of float's 24 bits and of f16 22, so next to nothing is lost, and it
// is almost twice as fast as add_wide.
template <class Format, bool kMasked>
void add_narrow(const uint8_t* data, size_t groups, float pilot_value, LaneSums& sums) {
  constexpr size_t kBytes = sizeof(typename Format::Bits);
  const hn::CappedTag<float, kLanes / 2> d;
  const size_t lanes = hn::Lanes(d);
  const auto pilot = hn::Set(d, pilot_value);
  const auto load = [&](size_t element) HWY_ATTR {
    return from_pilot<kMasked>(d, Format::load(d, data + element * kBytes), pilot);
  };
  for (size_t lane = 0; lane < kLanes; lane += 2 * lanes) {
    WidenedSum<decltype(d)> s0(sums.sum + lane), s1(sums.sum + lane + lanes);
    WidenedSum<decltype(d)> q0(sums.squares + lane), q1(sums.squares + lane + lanes);
    for (size_t group = 0; group < groups; ++group) {
      const size_t first = group * kGroup + lane;
      const size_t second = first + lanes;
      const auto a0 = load(first), a1 = load(first + kLanes);
      const auto a2 = load(first + 2 * kLanes), a3 = load(first + 3 * kLanes);
      s0.add(hn::Add(hn::Add(a0, a1), hn::Add(a2, a3)));
      q0.add(hn::Add(hn::Add(hn::Mul(a0, a0), hn::Mul(a1, a1)),
                     hn::Add(hn::Mul(a2, a2), hn::Mul(a3, a3))));
      const auto b0 = load(second), b1 = load(second + kLanes);
      const auto b2 = load(second + 2 * kLanes), b3 = load(second + 3 * kLanes);
      s1.add(hn::Add(hn::Add(b0, b1), hn::Add(b2, b3)));
      q1.add(hn::Add(hn::Add(hn::Mul(b0, b0), hn::Mul(b1, b1)),
                     hn::Add(hn::Mul(b2, b2), hn::Mul(b3, b3))));
    }
    s0.store(sums.sum + lane);
    s1.store(sums.sum + lane + lanes);
    q0.store(sums.squares + lane);
    q1.store(sums.squares + lane + lanes);
  }
}

// --- one block ----------------------------------------------------------------------------------

// How a block is summed; chosen by its values alone.
struct Plan {
  bool narrow = false;
  bool masked = false;
  double scale = 1;
};

template <class Format, bool kMasked>
void add_groups(const uint8_t* data, size_t groups, double pilot, const Plan& plan,
                LaneSums& sums) {
  if constexpr (sizeof(typename Format::Bits) == 2) {
    if (plan.narrow)
      return add_narrow<Format, kMasked>(data, groups, static_cast<float>(pilot), sums);
  }
  add_wide<Format, kMasked>(data, groups, pilot, plan.scale, sums);
}

template <class Format>
ShiftedSums sums_around(double pilot, const uint8_t* data, size_t count, size_t finite,
                        const Plan& plan) {
  constexpr size_t kBytes = sizeof(typename Format::Bits);
  if (plan.narrow) pilot = static_cast<double>(static_cast<float>(pilot));
  LaneSums lanes;
  const size_t groups = count / kGroup;
  if (plan.masked) {
    add_groups<Format, true>(data, groups, pilot, plan, lanes);
  } else {
    add_groups<Format, false>(data, groups, pilot, plan, lanes);
  }
  if (const size_t rest = count % kGroup; rest > 0) {
    // All bits set is NaN in every format, so the padding adds nothing.
    uint8_t padded[kGroup * kBytes];
    std::memset(padded, 0xFF, sizeof(padded));
    std::memcpy(padded, data + groups * kGroup * kBytes, rest * kBytes);
    add_groups<Format, true>(padded, 1, pilot, plan, lanes);
  }
  return {pilot, fold(lanes.sum), fold(lanes.squares), finite};
}

// Keeps squares, and sums of them, inside the range of double.
int exponent_for(double magnitude) {
  if (magnitude > 0x1p400) return -700;
  if (magnitude < 0x1p-400 && magnitude > 0) return 600;
  return 0;
}

template <class Format>
StatsAccumulator block_stats(const uint8_t* data, size_t count) {
  using Bits = typename Format::Bits;
  StatsAccumulator stats;
  size_t first = 0;
  while (first < count && !is_finite<Format>(bits_at<Format>(data, first))) ++first;
  Plan plan;
  // Without a finite element there is nothing to fill in, and nothing to ask the extremes for.
  const Bits filler = first < count ? bits_at<Format>(data, first) : Bits{0};
  auto found = first == 0 ? scan<Format, false>(data, count, filler) : Extremes<Bits>{};
  if (first > 0 || !is_finite<Format>(found.most) || !is_finite<Format>(found.most_signed)) {
    plan.masked = true;
    found = scan<Format, true>(data, count, filler);
  }
  stats.nan = found.nan;
  stats.inf = found.inf;
  stats.zero = found.zero;
  stats.finite = count - found.nan - found.inf;
  if (stats.finite == 0) return stats;
  // Adding 0 makes a negative zero positive.
  stats.min = static_cast<double>(Format::value(found.smallest_value())) + 0.0;
  stats.max = static_cast<double>(Format::value(found.largest_value())) + 0.0;

  const double magnitude = std::max(std::abs(stats.min), std::abs(stats.max));
  // Where float holds the squares: beyond, they would overflow, or vanish all together.
  plan.narrow =
      sizeof(Bits) == 2 && (magnitude == 0 || (magnitude > 0x1p-40 && magnitude < 0x1p60));
  stats.exponent = exponent_for(magnitude);
  plan.scale = std::ldexp(1.0, stats.exponent);
  const double pilot = static_cast<double>(Format::value(filler)) * plan.scale;
  ShiftedSums sums = sums_around<Format>(pilot, data, count, stats.finite, plan);
  if (!sums.well_conditioned())
    sums = sums_around<Format>(sums.mean(), data, count, stats.finite, plan);
  stats.scaled_mean = sums.mean();
  stats.scaled_squares = sums.squares();
  return stats;
}

template <class Format>
void add_blocks(std::span<const uint8_t> bytes, StatsAccumulator& into) {
  constexpr size_t kBytes = sizeof(typename Format::Bits);
  while (!bytes.empty()) {
    const size_t count = std::min(bytes.size() / kBytes, kBlock);
    into.merge(block_stats<Format>(bytes.data(), count));
    bytes = bytes.subspan(count * kBytes);
  }
}

void float_stats_for_target(DType dtype, std::span<const uint8_t> bytes, StatsAccumulator& into) {
  switch (dtype) {
    case DType::BF16: return add_blocks<Bf16Format>(bytes, into);
    case DType::F16: return add_blocks<F16Format>(bytes, into);
    case DType::F32:
    case DType::C64: return add_blocks<F32Format>(bytes, into);
    case DType::F64: return add_blocks<F64Format>(bytes, into);
    default: STKIT_CHECK(false && "a float dtype of 16 bits or more");
  }
}

}  // namespace stkit::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace stkit::kernels {

HWY_EXPORT(float_stats_for_target);

void add_float_stats(DType dtype, std::span<const uint8_t> bytes, StatsAccumulator& into) {
  HWY_DYNAMIC_DISPATCH(float_stats_for_target)(dtype, bytes, into);
}

}  // namespace stkit::kernels
#endif
