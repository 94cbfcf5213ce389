#include <algorithm>
#include <cmath>

#include "kernels/stats_blocks.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/stats_float8.cc"
#include <hwy/foreach_target.h>
// Highway wants to come after foreach_target.
#include <hwy/highway.h>

#include "kernels/stats_pass-inl.h"
#include "kernels/widen-inl.h"

// Counting how often each code occurs takes a store an element. Widening each to float and adding
// up, as for 16 bits, is three times as fast: as many elements a second, which are half the bytes.

HWY_BEFORE_NAMESPACE();
namespace stkit::kernels::HWY_NAMESPACE {

// Of both, the bits of a float of 16 bits are the code's, shifted. The wider exponent of E4M3
// counts from 15 there and not from 7: each value is kScale times what it says.
struct E4M3Format {
  using Bits = uint8_t;
  static constexpr Bits kInfinity = 0x7F;  // NaN; there is no infinity
  static constexpr double kScale = 256;

  static float value(Bits code) {
    return F16Format::value(static_cast<uint16_t>((code & 0x80) << 8 | (code & 0x7F) << 7));
  }
  template <class D>
  static HWY_INLINE hn::Vec<D> to_f16(D d, hn::Vec<D> with_sign) {
    return hn::And(hn::ShiftLeft<7>(with_sign), hn::Set(d, static_cast<int16_t>(0xBF80)));
  }
};

struct E5M2Format {
  using Bits = uint8_t;
  static constexpr Bits kInfinity = 0x7C;
  static constexpr double kScale = 1;

  static float value(Bits code) { return F16Format::value(static_cast<uint16_t>(code << 8)); }
  template <class D>
  static HWY_INLINE hn::Vec<D> to_f16(D, hn::Vec<D> with_sign) {
    return hn::ShiftLeft<8>(with_sign);
  }
};

#if HWY_TARGET == HWY_SCALAR

uint64_t count_zeros(const uint8_t* data, size_t count) {
  return static_cast<uint64_t>(
      std::count_if(data, data + count, [](uint8_t code) { return (code & 0x7F) == 0; }));
}

#else

// The sums of some lanes of a group, in float.
template <class DF>
struct FloatSums {
  hn::Vec<DF> sum, squares;

  HWY_INLINE FloatSums() : sum(hn::Zero(DF())), squares(hn::Zero(DF())) {}
  HWY_INLINE void add(hn::Vec<DF> values) {
    sum = hn::Add(sum, values);
    // A square takes 8 of float's 24 bits, so that fused or not it is the same.
    squares = hn::MulAdd(values, values, squares);
  }
  HWY_INLINE void store(LaneSums& sums, size_t lane) const {
    add_widened(DF(), sum, sums.sum + lane);
    add_widened(DF(), squares, sums.squares + lane);
  }
};

// As its namesakes: sums in float by 32, which are exact but for the rounding of squares.
template <class Format>
  requires(sizeof(typename Format::Bits) == 1)
Extremes<uint8_t> add_groups(const uint8_t* data, size_t groups, LaneSums& sums) {
  const VectorTag<uint8_t> d;
  const hn::CappedTag<int16_t, kLanes / 2> d16;
  const hn::RebindToUnsigned<decltype(d16)> du16;
  const hn::Rebind<int8_t, decltype(d16)> d8;
  const hn::Repartition<float, decltype(d16)> df;
  const hn::Rebind<uint16_t, decltype(df)> half;
  const auto add = [&](const uint8_t* codes, FloatSums<decltype(df)>& low,
                       FloatSums<decltype(df)>& high) HWY_ATTR {
    const auto with_sign = hn::PromoteTo(d16, load_elements(d8, codes));
    const auto bits = hn::BitCast(du16, Format::to_f16(d16, with_sign));
    low.add(F16Format::widen(df, hn::LowerHalf(half, bits)));
    high.add(F16Format::widen(df, hn::UpperHalf(half, bits)));
  };
  LaneExtremes<decltype(d)> extremes(*data);
  for (size_t group = 0; group < groups; ++group, data += kGroup<uint8_t>) {
    fetch_ahead<kGroup<uint8_t> >(data);
    for (size_t i = 0; i < kGroup<uint8_t>; i += hn::Lanes(d))
      extremes.add(load_elements(d, data + i));
    // Four vectors at a time hide the latency of the additions.
    for (size_t lane = 0; lane < kLanes; lane += 4 * hn::Lanes(df)) {
      FloatSums<decltype(df)> a, b, c, e;
      for (size_t row = 0; row < kRowsPerGroup<uint8_t>; ++row) {
        const uint8_t* codes = data + row * kLanes + lane;
        add(codes, a, b);
        add(codes + hn::Lanes(d16), c, e);
      }
      a.store(sums, lane);
      b.store(sums, lane + hn::Lanes(df));
      c.store(sums, lane + 2 * hn::Lanes(df));
      e.store(sums, lane + 3 * hn::Lanes(df));
    }
  }
  return extremes.all();
}

uint64_t count_zeros(const uint8_t* data, size_t count) {
  constexpr size_t kMostInALane = 255;
  const VectorTag<uint8_t> d;
  const hn::Repartition<uint64_t, decltype(d)> d64;
  const size_t lanes = hn::Lanes(d);
  const auto magnitude = hn::Set(d, uint8_t{0x7F});
  auto all = hn::Zero(d64);
  size_t i = 0;
  while (i + lanes <= count) {
    const size_t end = std::min(count, i + kMostInALane * lanes);
    auto zeros = hn::Zero(d);
    for (; i + lanes <= end; i += lanes) {
      const auto codes = hn::And(load_elements(d, data + i), magnitude);
      zeros = hn::Sub(zeros, hn::VecFromMask(d, hn::Eq(codes, hn::Zero(d))));
    }
    all = hn::Add(all, hn::SumsOf8(zeros));
  }
  uint64_t zeros = 0;
  const auto in_lanes = lanes_of(d64, all);
  for (size_t lane = 0; lane < hn::Lanes(d64); ++lane) zeros += in_lanes.value[lane];
  for (; i < count; ++i) zeros += (data[i] & 0x7F) == 0;
  return zeros;
}

#endif  // HWY_TARGET == HWY_SCALAR

template <class Format>
bool usual_block_stats(std::span<const uint8_t> block, StatsAccumulator& stats) {
  LaneSums lanes;
  const auto extremes = add_elements<Format>(block.data(), block.size(), lanes);
  if (!extremes.all_below(Format::kInfinity)) return false;
  constexpr double kScale = Format::kScale;
  const ShiftedSums sums{0, fold(lanes.sum) * kScale, fold(lanes.squares) * (kScale * kScale),
                         block.size()};
  if (!sums.well_conditioned()) return false;
  stats.finite = block.size();
  if (extremes.any_zero()) stats.zero = count_zeros(block.data(), block.size());
  // Adding 0 makes a negative zero positive.
  stats.min = static_cast<double>(Format::value(extremes.smallest_value())) * kScale + 0.0;
  stats.max = static_cast<double>(Format::value(extremes.largest_value())) * kScale + 0.0;
  stats.scaled_mean = sums.mean();
  stats.scaled_squares = sums.squares();
  return true;
}

bool usual_float8_stats_for_target(DType dtype, std::span<const uint8_t> block,
                                   StatsAccumulator& stats) {
  return dtype == DType::F8_E4M3 ? usual_block_stats<E4M3Format>(block, stats)
                                 : usual_block_stats<E5M2Format>(block, stats);
}

}  // namespace stkit::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace stkit::kernels {

HWY_EXPORT(usual_float8_stats_for_target);

bool usual_float8_stats(DType dtype, std::span<const uint8_t> block, StatsAccumulator& stats) {
  return HWY_DYNAMIC_DISPATCH(usual_float8_stats_for_target)(dtype, block, stats);
}

}  // namespace stkit::kernels
#endif
