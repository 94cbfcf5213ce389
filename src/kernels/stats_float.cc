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

#include "kernels/stats_pass-inl.h"
#include "kernels/widen-inl.h"

HWY_BEFORE_NAMESPACE();
namespace stkit::kernels::HWY_NAMESPACE {

// Elements whose sums are kept apart from those of the next block: 32 KiB of bf16 and 64 KiB of
// f32, so that a block that is read again comes from the L2 cache. Smaller ones lose time between
// them.
constexpr size_t kBlock = kStatsBlockElements;

template <class Format>
typename Format::Bits bits_at(const uint8_t* data, size_t index) {
  typename Format::Bits bits;
  std::memcpy(&bits, data + index * sizeof(bits), sizeof(bits));
  return bits;
}

template <class Format>
uint64_t count_zeros(const uint8_t* data, size_t count) {
  using Bits = typename Format::Bits;
  const VectorTag<Bits> d;
  const size_t lanes = hn::Lanes(d);
  const auto magnitude_mask = hn::Set(d, Extremes<Bits>::kMagnitude);
  auto zero = hn::Zero(d);  // a lane counts at most kBlock, which 16 bits hold
  size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const auto magnitude = hn::And(load_elements(d, data + i * sizeof(Bits)), magnitude_mask);
    zero = hn::Sub(zero, hn::VecFromMask(d, hn::Eq(magnitude, hn::Zero(d))));
  }
  const auto zero_of = lanes_of(d, zero);
  uint64_t all = 0;
  for (size_t lane = 0; lane < lanes; ++lane) all += zero_of.value[lane];
  for (; i < count; ++i) all += (bits_at<Format>(data, i) & Extremes<Bits>::kMagnitude) == 0;
  return all;
}

template <class Bits>
struct Found {
  Extremes<Bits> extremes;
  uint64_t zero = 0, nan = 0, inf = 0;
};

// Values that are not finite are counted and then count as `filler`, any finite element, so that
// they leave the extremes alone.
template <class Format>
Found<typename Format::Bits> scan(const uint8_t* data, size_t count, typename Format::Bits filler) {
  using Bits = typename Format::Bits;
  const VectorTag<Bits> d;
  const hn::RebindToSigned<decltype(d)> ds;
  const size_t lanes = hn::Lanes(d);
  const auto magnitude_mask = hn::Set(d, Extremes<Bits>::kMagnitude);
  const auto infinity = hn::Set(d, Format::kInfinity);
  const auto fill = hn::Set(d, filler);
  LaneExtremes<decltype(d)> extremes(filler);
  auto nan = hn::Zero(d), inf = hn::Zero(d);  // see count_zeros

  size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const auto bits = load_elements(d, data + i * sizeof(Bits));
    const auto magnitude = hn::And(bits, magnitude_mask);
    const auto is_inf = hn::Eq(magnitude, infinity);
    // Signed: SSE and AVX2 compare unsigned integers in several steps.
    const auto is_nan =
        hn::RebindMask(d, hn::Gt(hn::BitCast(ds, magnitude), hn::BitCast(ds, infinity)));
    inf = hn::Sub(inf, hn::VecFromMask(d, is_inf));
    nan = hn::Sub(nan, hn::VecFromMask(d, is_nan));
    extremes.add(hn::IfThenElse(hn::Or(is_inf, is_nan), fill, bits));
  }

  Found<Bits> found{.extremes = extremes.all()};
  const auto nan_of = lanes_of(d, nan), inf_of = lanes_of(d, inf);
  for (size_t lane = 0; lane < lanes; ++lane) {
    found.nan += nan_of.value[lane];
    found.inf += inf_of.value[lane];
  }
  for (; i < count; ++i) {
    const Bits bits = bits_at<Format>(data, i);
    const Bits magnitude = bits & Extremes<Bits>::kMagnitude;
    found.inf += magnitude == Format::kInfinity;
    found.nan += magnitude > Format::kInfinity;
    if (magnitude < Format::kInfinity) found.extremes.add(Extremes<Bits>::of(bits));
  }
  if (found.extremes.any_zero()) found.zero = count_zeros<Format>(data, count);
  return found;
}

template <class Format>
bool is_finite(typename Format::Bits bits) {
  return (bits & Extremes<typename Format::Bits>::kMagnitude) < Format::kInfinity;
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
void add_rows(const uint8_t* data, size_t rows, double pilot_value, double scale_value,
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
    for (size_t row = 0; row < rows; ++row) {
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

// The sums over whole and broken groups. kMasked pays for itself only where it is needed.
template <class Format>
ShiftedSums sums_around(double pilot, double scale, bool masked, const uint8_t* data, size_t count,
                        size_t finite) {
  constexpr size_t kBytes = sizeof(typename Format::Bits);
  LaneSums lanes;
  const size_t rows = count / kLanes;
  if (masked) {
    add_rows<Format, true>(data, rows, pilot, scale, lanes);
  } else {
    add_rows<Format, false>(data, rows, pilot, scale, lanes);
  }
  if (const size_t rest = count % kLanes; rest > 0) {
    // All bits set is NaN in every format, so the padding adds nothing.
    uint8_t padded[kLanes * kBytes];
    std::memset(padded, 0xFF, sizeof(padded));
    std::memcpy(padded, data + rows * kLanes * kBytes, rest * kBytes);
    add_rows<Format, true>(padded, 1, pilot, scale, lanes);
  }
  return {pilot, fold(lanes.sum), fold(lanes.squares), finite};
}

// --- one block ----------------------------------------------------------------------------------

// Keeps squares, and sums of them, inside the range of double.
int exponent_for(double magnitude) {
  if (magnitude > 0x1p400) return -700;
  if (magnitude < 0x1p-400 && magnitude > 0) return 600;
  return 0;
}

template <class Format>
void set_extremes(const Extremes<typename Format::Bits>& extremes, StatsAccumulator& stats) {
  // Adding 0 makes a negative zero positive.
  stats.min = static_cast<double>(Format::value(extremes.smallest_value())) + 0.0;
  stats.max = static_cast<double>(Format::value(extremes.largest_value())) + 0.0;
}

void set_sums(const ShiftedSums& sums, StatsAccumulator& stats) {
  stats.scaled_mean = sums.mean();
  stats.scaled_squares = sums.squares();
}

// What almost every block of weights is: all finite, in a common range, spread around zero. False
// for any other; then `stats` means nothing.
template <class Format>
bool usual_block_stats(const uint8_t* data, size_t count, StatsAccumulator& stats) {
  LaneSums lanes;
  const auto extremes = add_elements<Format>(data, count, lanes);
  if (!extremes.all_below(Format::kInfinity)) return false;
  set_extremes<Format>(extremes, stats);
  // Where float holds the squares: beyond, they would overflow, or vanish all together.
  const double magnitude = std::max(std::abs(stats.min), std::abs(stats.max));
  if (sizeof(typename Format::Bits) == 2 && magnitude != 0 &&
      (magnitude < 0x1p-40 || magnitude > 0x1p60))
    return false;
  const ShiftedSums sums{0, fold(lanes.sum), fold(lanes.squares), count};
  if (!sums.well_conditioned()) return false;
  set_sums(sums, stats);
  stats.finite = count;
  if (extremes.any_zero()) stats.zero = count_zeros<Format>(data, count);
  return true;
}

template <class Format>
StatsAccumulator block_stats(const uint8_t* data, size_t count) {
  using Bits = typename Format::Bits;
  StatsAccumulator stats;
  if constexpr (sizeof(Bits) < sizeof(double)) {
    if (usual_block_stats<Format>(data, count, stats)) return stats;
    stats = {};
  }
  size_t first = 0;
  while (first < count && !is_finite<Format>(bits_at<Format>(data, first))) ++first;
  // Without a finite element there is nothing to fill in, and nothing to ask the extremes for.
  const Bits filler = first < count ? bits_at<Format>(data, first) : Bits{0};
  const auto found = scan<Format>(data, count, filler);
  stats.nan = found.nan;
  stats.inf = found.inf;
  stats.zero = found.zero;
  stats.finite = count - found.nan - found.inf;
  if (stats.finite == 0) return stats;
  set_extremes<Format>(found.extremes, stats);

  stats.exponent = exponent_for(std::max(std::abs(stats.min), std::abs(stats.max)));
  const double scale = std::ldexp(1.0, stats.exponent);
  const bool masked = stats.finite < count;
  const double pilot = static_cast<double>(Format::value(filler)) * scale;
  ShiftedSums sums = sums_around<Format>(pilot, scale, masked, data, count, stats.finite);
  if (!sums.well_conditioned())
    sums = sums_around<Format>(sums.mean(), scale, masked, data, count, stats.finite);
  set_sums(sums, stats);
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
