// What the quantizers' kernels share, once per SIMD target.
//
// Work goes in batches of 1024 elements. A batch is transposed into a tile of
// [element][sub-block], so that a vector holds the same element of as many sub-blocks as it has
// lanes. Data that lanes cannot treat as the scalar reference does (NaN, infinities, rounding out
// of reach) is marked odd and left to the reference; ordinary weights never are.

#if defined(STKIT_KERNELS_ENCODE_TILE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef STKIT_KERNELS_ENCODE_TILE_INL_H_
#undef STKIT_KERNELS_ENCODE_TILE_INL_H_
#else
#define STKIT_KERNELS_ENCODE_TILE_INL_H_
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>

HWY_BEFORE_NAMESPACE();
namespace stkit::kernels::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

// Elements and weights of a batch fill 8 KiB together, a quarter of a small L1.
constexpr size_t kBatchElements = 1024;
// Two vectors at a time hide the latency of the sums, whose order is fixed.
constexpr size_t kUnroll = 2;

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;
using DI = hn::Rebind<int32_t, D>;
using D8 = hn::Rebind<uint8_t, D>;

template <size_t kCount>
struct Vs {
  V v[kCount];
};

// Adding it leaves the nearest integer, ties to even, in the low bits of the sum; exact for
// |value| <= kRoundLimit. The integer form wraps beyond that as reference::round_to_int does.
constexpr float kRoundMagic = 12582912.0f;
constexpr float kRoundLimit = 4194303.0f;

HWY_INLINE V round_near(V value) {
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_SSE4
  // One instruction that costs no more than the two. What it rounds to -0 stays out of all results:
  // zeros of either sign add nothing to a sum.
  return hn::Round(value);
#else
  const V magic = hn::Set(D(), kRoundMagic);
  return hn::Sub(hn::Add(value, magic), magic);
#endif
}

HWY_INLINE hn::Vec<DI> round_to_int(V value) {
  const DI di;
  const auto bits = hn::BitCast(di, hn::Add(value, hn::Set(D(), kRoundMagic)));
  return hn::Sub(hn::And(bits, hn::Set(di, 0x007FFFFF)), hn::Set(di, 0x00400000));
}

HWY_INLINE hn::Vec<DI> clamp(hn::Vec<DI> value, int low, int high) {
  const DI di;
  return hn::Min(hn::Max(value, hn::Set(di, low)), hn::Set(di, high));
}

HWY_INLINE void store_codes(hn::Vec<DI> codes, uint8_t* out) {
  const D8 d8;
  hn::StoreU(hn::DemoteTo(d8, codes), d8, out);
}

// [sub-block][element] to [element][sub-block].
template <size_t kElements>
HWY_INLINE void transpose(const float* x, float* tile) {
  constexpr size_t kLanes = kBatchElements / kElements;
#if HWY_TARGET == HWY_SCALAR
  for (size_t lane = 0; lane < kLanes; ++lane)
    for (size_t i = 0; i < kElements; ++i) tile[i * kLanes + lane] = x[lane * kElements + i];
#else
  // Squares of four by four.
  const hn::FixedTag<float, 4> d;
  const hn::Repartition<double, decltype(d)> pairs;
  for (size_t lane = 0; lane < kLanes; lane += 4) {
    const float* const from = x + lane * kElements;
    for (size_t i = 0; i < kElements; i += 4) {
      const auto a = hn::LoadU(d, from + i), b = hn::LoadU(d, from + kElements + i);
      const auto c = hn::LoadU(d, from + 2 * kElements + i);
      const auto e = hn::LoadU(d, from + 3 * kElements + i);
      const auto ab_low = hn::BitCast(pairs, hn::InterleaveLower(d, a, b));
      const auto ab_high = hn::BitCast(pairs, hn::InterleaveUpper(d, a, b));
      const auto ce_low = hn::BitCast(pairs, hn::InterleaveLower(d, c, e));
      const auto ce_high = hn::BitCast(pairs, hn::InterleaveUpper(d, c, e));
      float* const to = tile + i * kLanes + lane;
      hn::Store(hn::BitCast(d, hn::InterleaveLower(pairs, ab_low, ce_low)), d, to);
      hn::Store(hn::BitCast(d, hn::InterleaveUpper(pairs, ab_low, ce_low)), d, to + kLanes);
      hn::Store(hn::BitCast(d, hn::InterleaveLower(pairs, ab_high, ce_high)), d, to + 2 * kLanes);
      hn::Store(hn::BitCast(d, hn::InterleaveUpper(pairs, ab_high, ce_high)), d, to + 3 * kLanes);
    }
  }
#endif
}

HWY_INLINE float sum_of_squares(const float* x, size_t count) {
  float sum = 0;
  for (size_t i = 0; i < count; ++i) sum += x[i] * x[i];
  return sum;
}

// How far an element's own size weighs in beside the importance of its column.
HWY_INLINE void weigh(const float* x, const float* importance, float sigma2, size_t count,
                      float* weights) {
  const D d;
  const V base = hn::Set(d, sigma2);
  for (size_t i = 0; i < count; i += hn::Lanes(d)) {
    const V v = hn::LoadU(d, x + i);
    const V root = hn::Sqrt(hn::Add(base, hn::Mul(v, v)));
    hn::StoreU(hn::Mul(hn::LoadU(d, importance + i), root), d, weights + i);
  }
}

// Calls body(batch, first, count) for the blocks of `x`, kBatchElements / block_elements at a time.
// In the last batch the places that are left over repeat the last block.
template <class Body>
HWY_INLINE void for_each_batch(std::span<const float> x, size_t block_elements, Body&& body) {
  const size_t blocks = x.size() / block_elements;
  const size_t in_batch = kBatchElements / block_elements;
  alignas(64) float padded[kBatchElements];
  for (size_t first = 0; first < blocks; first += in_batch) {
    const size_t count = std::min(in_batch, blocks - first);
    const float* batch = x.data() + first * block_elements;
    if (count < in_batch) {
      for (size_t b = 0; b < in_batch; ++b)
        std::memcpy(padded + b * block_elements, batch + std::min(b, count - 1) * block_elements,
                    block_elements * sizeof(float));
      batch = padded;
    }
    body(batch, first, count);
  }
}

// Calls fit(lane, unroll) over all lanes of a tile, two vectors at a time where that goes.
template <size_t kLanes, class Fit>
HWY_INLINE void for_each_vector(Fit&& fit) {
  const size_t n = hn::Lanes(D());
  size_t lane = 0;
  for (; lane + kUnroll * n <= kLanes; lane += kUnroll * n)
    fit(lane, std::integral_constant<size_t, kUnroll>());
  for (; lane < kLanes; lane += n) fit(lane, std::integral_constant<size_t, 1>());
}

// The same for searches in phases: calls fit(lane, unroll, searches), two searches at a time.
template <size_t kLanes, class Fit>
HWY_INLINE void for_each_group(Fit&& fit) {
  constexpr std::integral_constant<size_t, 1> kOne;
  constexpr std::integral_constant<size_t, 2> kTwo;
  const size_t n = hn::Lanes(D());
  size_t lane = 0;
  for (; lane + 2 * kUnroll * n <= kLanes; lane += 2 * kUnroll * n)
    fit(lane, std::integral_constant<size_t, kUnroll>(), kTwo);
  for_each_vector<kLanes>([&](size_t at, auto unroll) HWY_ATTR {
    if (at >= lane) fit(at, unroll, kOne);
  });
}

}  // namespace
}  // namespace stkit::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // STKIT_KERNELS_ENCODE_TILE_INL_H_
