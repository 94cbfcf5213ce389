// One pass over a block of floats: extremes and sums from one load of each element. Included once
// per SIMD target, by a file that Highway compiles for each.
#if defined(STKIT_KERNELS_STATS_PASS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef STKIT_KERNELS_STATS_PASS_INL_H_
#undef STKIT_KERNELS_STATS_PASS_INL_H_
#else
#define STKIT_KERNELS_STATS_PASS_INL_H_
#endif

#include <hwy/cache_control.h>
#include <hwy/highway.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "kernels/widen-inl.h"

HWY_BEFORE_NAMESPACE();
namespace stkit::kernels::HWY_NAMESPACE {

// Sums run over this many lanes on every target, so that they have the same bits: vectors of any
// width hold some of them, and which elements go to which lane depends on the format alone. A row
// is one element a lane.
constexpr size_t kLanes = 32;

struct LaneSums {
  HWY_ALIGN double sum[kLanes] = {};
  HWY_ALIGN double squares[kLanes] = {};
};

inline double fold(const double* lanes) {
  double half[kLanes / 2];
  for (size_t lane = 0; lane < kLanes / 2; ++lane) half[lane] = lanes[lane] + lanes[lane + 16];
  for (size_t width = kLanes / 4; width > 0; width /= 2)
    for (size_t lane = 0; lane < width; ++lane) half[lane] += half[lane + width];
  return half[0];
}

// Bits with sign and magnitude, read as unsigned: non-negative values in their order, then negative
// ones in the order of their magnitude. Read as signed: negative ones first. So these say which
// values are the smallest and the largest, and whether any is zero or not finite.
template <class Bits>
struct Extremes {
  Bits least = 0, most = 0;                // unsigned
  Bits least_signed = 0, most_signed = 0;  // signed

  static constexpr Bits kSign = static_cast<Bits>(Bits{1} << (sizeof(Bits) * 8 - 1));
  static constexpr Bits kMagnitude = static_cast<Bits>(~kSign);

  static Extremes of(Bits one) { return {one, one, one, one}; }
  Bits smallest_value() const { return most >= kSign ? most : least; }
  Bits largest_value() const { return most_signed < kSign ? most_signed : least; }
  bool any_zero() const { return least == 0 || least_signed == kSign; }
  bool all_below(Bits magnitude) const {
    return (most & kMagnitude) < magnitude && (most_signed & kMagnitude) < magnitude;
  }
  void add(const Extremes& other) {
    using Signed = std::make_signed_t<Bits>;
    least = other.least < least ? other.least : least;
    most = other.most > most ? other.most : most;
    if (static_cast<Signed>(other.least_signed) < static_cast<Signed>(least_signed))
      least_signed = other.least_signed;
    if (static_cast<Signed>(other.most_signed) > static_cast<Signed>(most_signed))
      most_signed = other.most_signed;
  }
};

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

// The extremes of each lane.
template <class D>
class LaneExtremes {
  using Bits = hn::TFromD<D>;
  using DS = hn::RebindToSigned<D>;

 public:
  explicit HWY_INLINE LaneExtremes(Bits first)
      : least_(hn::Set(D(), first)),
        most_(least_),
        least_signed_(hn::BitCast(DS(), least_)),
        most_signed_(least_signed_) {}

  HWY_INLINE void add(hn::Vec<D> bits) {
    const auto with_sign = hn::BitCast(DS(), bits);
    least_ = hn::Min(least_, bits);
    most_ = hn::Max(most_, bits);
    least_signed_ = hn::Min(least_signed_, with_sign);
    most_signed_ = hn::Max(most_signed_, with_sign);
  }

  HWY_INLINE Extremes<Bits> all() const {
    const D d;
    const auto least = lanes_of(d, least_), most = lanes_of(d, most_);
    const auto least_signed = lanes_of(d, hn::BitCast(d, least_signed_));
    const auto most_signed = lanes_of(d, hn::BitCast(d, most_signed_));
    auto all = Extremes<Bits>::of(least.value[0]);
    for (size_t lane = 0; lane < hn::Lanes(d); ++lane)
      all.add(
          {least.value[lane], most.value[lane], least_signed.value[lane], most_signed.value[lane]});
    return all;
  }

 private:
  hn::Vec<D> least_, most_;
  hn::Vec<DS> least_signed_, most_signed_;
};

// Rows whose sums are kept in float before they are widened, or in registers before they are
// stored. The sums of 8 bits lose so little that there may be more of them.
template <class Bits>
constexpr size_t kRowsPerGroup = sizeof(Bits) == 1 ? 32 : 8;
template <class Bits>
constexpr size_t kGroup = kLanes * kRowsPerGroup<Bits>;

// add_groups: the sums and extremes of whole groups of elements. Nothing is masked: where an
// element is not finite, the extremes say so and the sums mean nothing.
//
// Types of 16 bits are summed in float by eights. A square of bf16 takes 16 of float's 24 bits and
// of f16 22, so next to nothing is lost, while widening each to double would halve the speed. F32
// is summed in double, which holds its squares: a fused multiply-add rounds as two instructions do.

// Asks for the group that comes so many bytes later. Prefetching by the CPU ends with each page,
// and the sums leave it too few loads in flight to hide that. Addresses past the end do no harm.
constexpr size_t kAheadBytes = 2048;
template <size_t kGroupBytes>
HWY_INLINE void fetch_ahead(const uint8_t* group) {
  const uintptr_t ahead = reinterpret_cast<uintptr_t>(group) + kAheadBytes;
  for (size_t line = 0; line < kGroupBytes; line += 64)
    hwy::Prefetch(reinterpret_cast<const uint8_t*>(ahead + line));
}

#if HWY_TARGET == HWY_SCALAR

// Which element of a row a lane takes: see load_row.
constexpr size_t element_of_lane(Bf16Format, size_t lane) {
  return lane % (kLanes / 2) * 2 + lane / (kLanes / 2);
}
template <class Format>
constexpr size_t element_of_lane(Format, size_t lane) {
  return lane;
}

template <class Format>
Extremes<typename Format::Bits> add_groups(const uint8_t* data, size_t groups, LaneSums& sums) {
  using Bits = typename Format::Bits;
  constexpr bool kNarrow = sizeof(Bits) <= 2;
  using Sum = std::conditional_t<kNarrow, float, double>;
  Bits bits;
  std::memcpy(&bits, data, sizeof(bits));
  auto extremes = Extremes<Bits>::of(bits);
  for (size_t group = 0; group < groups; ++group, data += kGroup<Bits> * sizeof(Bits)) {
    for (size_t lane = 0; lane < kLanes; ++lane) {
      Sum sum = kNarrow ? Sum{0} : static_cast<Sum>(sums.sum[lane]);
      Sum squares = kNarrow ? Sum{0} : static_cast<Sum>(sums.squares[lane]);
      for (size_t row = 0; row < kRowsPerGroup<Bits>; ++row) {
        const size_t element = row * kLanes + element_of_lane(Format(), lane);
        std::memcpy(&bits, data + element * sizeof(bits), sizeof(bits));
        extremes.add(Extremes<Bits>::of(bits));
        const Sum value = Format::value(bits);
        sum += value;
        squares += value * value;
      }
      sums.sum[lane] =
          kNarrow ? sums.sum[lane] + static_cast<double>(sum) : static_cast<double>(sum);
      sums.squares[lane] = kNarrow ? sums.squares[lane] + static_cast<double>(squares)
                                   : static_cast<double>(squares);
    }
  }
  return extremes;
}

#else

// Lanes [lane, lane + N) and [lane + 16, lane + 16 + N) of a row of 32 elements, as floats. Of
// bf16, the former are every other element: taking a word of two apart is one instruction each.
template <class DF>
HWY_INLINE void load_row(Bf16Format, DF df, const uint8_t* row, size_t lane, hn::Vec<DF>& low,
                         hn::Vec<DF>& high) {
  const hn::RebindToUnsigned<DF> du32;
  const auto words = load_elements(du32, row + lane * sizeof(uint32_t));
  low = hn::BitCast(df, hn::ShiftLeft<16>(words));
  high = hn::BitCast(df, hn::And(words, hn::Set(du32, 0xFFFF'0000)));
}
template <class DF>
HWY_INLINE void load_row(F16Format, DF df, const uint8_t* row, size_t lane, hn::Vec<DF>& low,
                         hn::Vec<DF>& high) {
  low = F16Format::load(df, row + lane * sizeof(uint16_t));
  high = F16Format::load(df, row + (lane + kLanes / 2) * sizeof(uint16_t));
}

// Adds a vector of floats to as many lanes.
template <class DF>
HWY_INLINE void add_widened(DF, hn::Vec<DF> values, double* lanes) {
  const hn::Repartition<double, DF> dd;
  const hn::Rebind<float, decltype(dd)> dh;
  const auto low = hn::PromoteTo(dd, hn::LowerHalf(dh, values));
  const auto high = hn::PromoteTo(dd, hn::UpperHalf(dh, values));
  double* upper = lanes + hn::Lanes(dd);
  hn::Store(hn::Add(hn::Load(dd, lanes), low), dd, lanes);
  hn::Store(hn::Add(hn::Load(dd, upper), high), dd, upper);
}

template <class Format>
  requires(sizeof(typename Format::Bits) == 2)
Extremes<uint16_t> add_groups(const uint8_t* data, size_t groups, LaneSums& sums) {
  constexpr size_t kRowBytes = kLanes * sizeof(uint16_t);
  const VectorTag<uint16_t> d;
  const hn::Repartition<float, decltype(d)> df;
  uint16_t first;
  std::memcpy(&first, data, sizeof(first));
  LaneExtremes<decltype(d)> extremes(first);
  for (size_t group = 0; group < groups; ++group, data += kGroup<uint16_t> * sizeof(uint16_t)) {
    fetch_ahead<kGroup<uint16_t> * sizeof(uint16_t)>(data);
    for (size_t lane = 0; lane < kLanes / 2; lane += hn::Lanes(df)) {
      auto low_sum = hn::Zero(df), low_squares = hn::Zero(df);
      auto high_sum = hn::Zero(df), high_squares = hn::Zero(df);
      for (size_t i = 0; i < kRowsPerGroup<uint16_t>; ++i) {
        const uint8_t* row = data + i * kRowBytes;
        extremes.add(load_elements(d, row + lane * sizeof(uint32_t)));
        auto low = hn::Undefined(df), high = hn::Undefined(df);
        load_row(Format(), df, row, lane, low, high);
        low_sum = hn::Add(low_sum, low);
        high_sum = hn::Add(high_sum, high);
        low_squares = hn::Add(low_squares, hn::Mul(low, low));
        high_squares = hn::Add(high_squares, hn::Mul(high, high));
      }
      add_widened(df, low_sum, sums.sum + lane);
      add_widened(df, high_sum, sums.sum + lane + kLanes / 2);
      add_widened(df, low_squares, sums.squares + lane);
      add_widened(df, high_squares, sums.squares + lane + kLanes / 2);
    }
  }
  return extremes.all();
}

template <class Format>
  requires(sizeof(typename Format::Bits) == 4)
Extremes<uint32_t> add_groups(const uint8_t* data, size_t groups, LaneSums& sums) {
  const VectorTag<uint32_t> d;
  const hn::Repartition<double, decltype(d)> dd;
  const size_t doubles = hn::Lanes(dd);
  uint32_t first;
  std::memcpy(&first, data, sizeof(first));
  LaneExtremes<decltype(d)> extremes(first);
  for (size_t group = 0; group < groups; ++group, data += kGroup<uint32_t> * sizeof(uint32_t)) {
    fetch_ahead<kGroup<uint32_t> * sizeof(uint32_t)>(data);
    // Four vectors at a time hide the latency of the additions.
    for (size_t lane = 0; lane < kLanes; lane += 4 * doubles) {
      double* sum = sums.sum + lane;
      double* squares = sums.squares + lane;
      auto s0 = hn::Load(dd, sum), s1 = hn::Load(dd, sum + doubles);
      auto s2 = hn::Load(dd, sum + 2 * doubles), s3 = hn::Load(dd, sum + 3 * doubles);
      auto q0 = hn::Load(dd, squares), q1 = hn::Load(dd, squares + doubles);
      auto q2 = hn::Load(dd, squares + 2 * doubles), q3 = hn::Load(dd, squares + 3 * doubles);
      for (size_t i = 0; i < kRowsPerGroup<uint32_t>; ++i) {
        const uint8_t* at = data + (i * kLanes + lane) * sizeof(float);
        extremes.add(load_elements(d, at));
        extremes.add(load_elements(d, at + 2 * doubles * sizeof(float)));
        const auto x0 = load_doubles<Format>(dd, at);
        const auto x1 = load_doubles<Format>(dd, at + doubles * sizeof(float));
        const auto x2 = load_doubles<Format>(dd, at + 2 * doubles * sizeof(float));
        const auto x3 = load_doubles<Format>(dd, at + 3 * doubles * sizeof(float));
        s0 = hn::Add(s0, x0);
        s1 = hn::Add(s1, x1);
        s2 = hn::Add(s2, x2);
        s3 = hn::Add(s3, x3);
        q0 = hn::MulAdd(x0, x0, q0);
        q1 = hn::MulAdd(x1, x1, q1);
        q2 = hn::MulAdd(x2, x2, q2);
        q3 = hn::MulAdd(x3, x3, q3);
      }
      hn::Store(s0, dd, sum);
      hn::Store(s1, dd, sum + doubles);
      hn::Store(s2, dd, sum + 2 * doubles);
      hn::Store(s3, dd, sum + 3 * doubles);
      hn::Store(q0, dd, squares);
      hn::Store(q1, dd, squares + doubles);
      hn::Store(q2, dd, squares + 2 * doubles);
      hn::Store(q3, dd, squares + 3 * doubles);
    }
  }
  return extremes.all();
}

#endif  // HWY_TARGET == HWY_SCALAR

// As add_groups, of any number of elements but none.
template <class Format>
Extremes<typename Format::Bits> add_elements(const uint8_t* data, size_t count, LaneSums& sums) {
  using Bits = typename Format::Bits;
  constexpr size_t kElements = kGroup<Bits>;
  const size_t groups = count / kElements, rest = count % kElements;
  Bits first;
  std::memcpy(&first, data, sizeof(first));
  auto extremes = groups > 0 ? add_groups<Format>(data, groups, sums) : Extremes<Bits>::of(first);
  if (rest == 0) return extremes;
  // Padded twice: zeros leave the sums alone, and an element that is there the extremes.
  Bits padded[kElements] = {};
  std::memcpy(padded, data + groups * kElements * sizeof(Bits), rest * sizeof(Bits));
  const auto* bytes = reinterpret_cast<const uint8_t*>(padded);
  add_groups<Format>(bytes, 1, sums);
  for (size_t i = rest; i < kElements; ++i) padded[i] = first;
  LaneSums ignored;
  extremes.add(add_groups<Format>(bytes, 1, ignored));
  return extremes;
}

}  // namespace stkit::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // include guard per target
