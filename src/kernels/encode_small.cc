// Q4_0, Q4_1, Q5_0, Q5_1 and Q8_0: one scale (and minimum) for 32 elements.
//
// Without importance there is no search: a block is a few vectors, and its largest or smallest
// value decides. With importance each lane searches one block's scale.

#include "kernels/encode_small.h"

#include <bit>
#include <cfloat>
#include <cmath>
#include <cstddef>
#include <cstring>

#include "kernels/block_layout.h"
#include "kernels/block_packing.h"
#include "kernels/block_reference.h"
#include "kernels/half.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/encode_small.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep

#include <hwy/highway.h>

#include "kernels/fit_min-inl.h"
#include "kernels/fit_symmetric-inl.h"

HWY_BEFORE_NAMESPACE();
namespace stkit::kernels::HWY_NAMESPACE {
namespace {

constexpr size_t kElements = 32;

struct Range {
  float low, high;
  bool finite;
};

HWY_INLINE Range range_of(const float* x) {
  const D d;
  const DI di;
  V low = hn::LoadU(d, x), high = low;
  auto magnitude = hn::Zero(di);
  for (size_t i = 0; i < kElements; i += hn::Lanes(d)) {
    const V v = hn::LoadU(d, x + i);
    low = hn::Min(low, v);
    high = hn::Max(high, v);
    // As integers magnitudes keep their order, and NaN comes out on top.
    magnitude = hn::Max(magnitude, hn::BitCast(di, hn::Abs(v)));
  }
  return {hn::GetLane(hn::MinOfLanes(d, low)), hn::GetLane(hn::MaxOfLanes(d, high)),
          hn::GetLane(hn::MaxOfLanes(di, magnitude)) < 0x7F800000};
}

HWY_INLINE float inverse_or_zero(float value) { return value != 0 ? 1 / value : 0; }

// The first value of the largest magnitude, as the reference finds it. REQUIRES: all finite.
HWY_INLINE float extreme_in(const Range& range, const float* x) {
  if (range.high > -range.low) return range.high;
  if (range.high < -range.low) return range.low;
  if (range.high == 0) return 0;
  size_t i = 0;
  while (std::fabs(x[i]) != range.high) ++i;
  return x[i];
}

// The smallest value; of zeros of both signs the first, as the reference finds it.
// REQUIRES: all finite.
HWY_INLINE float low_in(const Range& range, const float* x) {
  if (range.low != 0) return range.low;
  size_t i = 0;
  while (x[i] != 0) ++i;
  return x[i];
}

// out[i] = min(limit, trunc((x - shift) * scale + add)).
HWY_INLINE void truncate_codes(const float* x, float shift, float scale, float add, int limit,
                               uint8_t* out) {
  const D d;
  const DI di;
  for (size_t i = 0; i < kElements; i += hn::Lanes(d)) {
    const V v = hn::Sub(hn::LoadU(d, x + i), hn::Set(d, shift));
    const V scaled = hn::Add(hn::Mul(v, hn::Set(d, scale)), hn::Set(d, add));
    store_codes(hn::Min(hn::ConvertTo(di, scaled), hn::Set(di, limit)), out + i);
  }
}

// What is stored besides the codes; the reference does the block when it is not `plain`.
struct Fit {
  float d, m;
  bool plain;
};

template <int kLevels>
HWY_INLINE Fit fit_by_extreme(const float* x, uint8_t* codes) {
  const Range range = range_of(x);
  if (!range.finite) return {0, 0, false};
  const float d = extreme_in(range, x) / static_cast<float>(-kLevels);
  const float inverse = inverse_or_zero(d);
  if (std::fabs(inverse) > FLT_MAX) return {0, 0, false};
  // Subtracting 0 changes no product: a zero of the other sign gives the same code.
  truncate_codes(x, 0, inverse, static_cast<float>(kLevels) + 0.5f, 2 * kLevels - 1, codes);
  return {d, 0, true};
}

template <int kMaxCode>
HWY_INLINE Fit fit_by_range(const float* x, uint8_t* codes) {
  const Range range = range_of(x);
  if (!range.finite) return {0, 0, false};
  const float low = low_in(range, x);
  // Zeros of different signs have no span either, not even a negative zero.
  const float span = range.high == low ? 0 : range.high - low;
  const float d = span / static_cast<float>(kMaxCode);
  const float inverse = inverse_or_zero(d);
  if (d > FLT_MAX || inverse > FLT_MAX) return {0, 0, false};
  truncate_codes(x, low, inverse, 0.5f, kMaxCode == 15 ? 15 : 255, codes);
  return {d, low, true};
}

void pack(const uint8_t* codes, uint8_t* out) {
  for (size_t j = 0; j < 16; ++j)
    out[j] = static_cast<uint8_t>((codes[j] & 15) | (codes[j + 16] & 15) << 4);
}

void pack_fifth_bits(const uint8_t* codes, uint8_t* out) {
  uint32_t bits = 0;
  for (size_t e = 0; e < kElements; ++e) bits |= static_cast<uint32_t>(codes[e] >> 4 & 1) << e;
  std::memcpy(out, &bits, sizeof(bits));
}

template <class Block>
HWY_INLINE void store(const Fit& fit, const uint8_t* codes, std::byte* out) {
  Block block;
  block.d = to_f16(fit.d);
  if constexpr (requires { block.m; }) block.m = to_f16(fit.m);
  if constexpr (requires { block.qh; }) pack_fifth_bits(codes, block.qh);
  pack(codes, block.qs);
  std::memcpy(out, &block, sizeof(block));
}

template <class Block, class FitBlock>
HWY_INLINE void encode_plain(DType type, std::span<const float> row, std::byte* out,
                             const FitBlock& fit_block) {
  for (size_t b = 0; b < row.size() / kElements; ++b) {
    uint8_t codes[kElements];
    const float* const x = row.data() + b * kElements;
    std::byte* const to = out + b * sizeof(Block);
    if (const Fit fit = fit_block(x, codes); fit.plain) {
      store<Block>(fit, codes, to);
    } else {
      reference::encode_row(type, {x, kElements}, {}, {to, sizeof(Block)});
    }
  }
}

// Searches all blocks of a row by `fit_tile`, then takes each lane's result by `result_of`.
template <class Block, class Tile, class FitTile, class ResultOf>
HWY_INLINE void encode_weighted(DType type, std::span<const float> row,
                                std::span<const float> importance, std::byte* out,
                                const FitTile& fit_tile, const ResultOf& result_of) {
  const float row_sum = sum_of_squares(row.data(), row.size());
  if (!(row_sum < HUGE_VALF)) {
    // The weights of every block hold this sum: nothing here is ordinary.
    return reference::encode_row(type, row, importance,
                                 {out, row.size() / kElements * sizeof(Block)});
  }
  const float sigma2 = row_sum / static_cast<float>(row.size());
  Tile tile;
  for_each_batch(row, kElements, [&](const float* batch, size_t first, size_t count) HWY_ATTR {
    alignas(64) float weights[kBatchElements];
    for (size_t b = 0; b < kBatchElements / kElements; ++b)
      weigh(batch + b * kElements, importance.data() + (first + std::min(b, count - 1)) * kElements,
            sigma2, kElements, weights + b * kElements);
    transpose<kElements>(batch, tile.x);
    transpose<kElements>(weights, tile.weights);
    std::fill_n(tile.odd, Tile::kLanes, 0.0f);
    fit_tile(tile);
    for (size_t b = 0; b < count; ++b) {
      uint8_t codes[kElements];
      const float* const x = batch + b * kElements;
      const Fit fit = result_of(tile, b, x, codes);
      store<Block>(fit, codes, out + (first + b) * sizeof(Block));
    }
  });
}

template <int kLevels, class Block>
void encode_symmetric_32(DType type, std::span<const float> row, std::span<const float> importance,
                         std::byte* out) {
  using Tile = SymmetricTile<kElements>;
  if (importance.empty()) return encode_plain<Block>(type, row, out, fit_by_extreme<kLevels>);
  encode_weighted<Block, Tile>(
      type, row, importance, out,
      [](Tile& tile) HWY_ATTR {
        const D d;
        for (size_t i = 0; i < kBatchElements; i += hn::Lanes(d))
          hn::Store(hn::Mul(hn::Load(d, tile.weights + i), hn::Load(d, tile.x + i)), d,
                    tile.weighted + i);
        for_each_vector<Tile::kLanes>([&](size_t lane, auto unroll) HWY_ATTR {
          fit_symmetric<kLevels, Tile, unroll()>(tile, lane);
        });
      },
      [](const Tile& tile, size_t lane, const float* x, uint8_t* codes) HWY_ATTR {
        fitted_codes<kLevels>(tile, lane, x, codes);
        return Fit{tile.scale[lane], 0, true};
      });
}

// One lane's search again, in the scalar way, where the lanes could not.
template <int kMaxCode>
Fit fit_min_scalar(const MinTile<MinRecipe<kMaxCode, kElements, 36, false>>& tile, size_t lane,
                   const float* x, uint8_t* codes) {
  using R = MinRecipe<kMaxCode, kElements, 36, false>;
  float weights[kElements];
  for (size_t i = 0; i < kElements; ++i) weights[i] = tile.weights[i * R::kLanes + lane];
  const reference::ScaleAndMin fit = reference::fit_with_min(kMaxCode, {x, kElements}, weights,
                                                             kImportanceGrid, {codes, kElements});
  return {fit.scale, -fit.min, true};
}

template <int kMaxCode, class Block>
void encode_min_32(DType type, std::span<const float> row, std::span<const float> importance,
                   std::byte* out) {
  using R = MinRecipe<kMaxCode, kElements, 36, false>;
  if (importance.empty()) return encode_plain<Block>(type, row, out, fit_by_range<kMaxCode>);
  encode_weighted<Block, MinTile<R>>(
      type, row, importance, out,
      [](MinTile<R>& tile) HWY_ATTR {
        for_each_group<R::kLanes>([&](size_t lane, auto unroll, auto searches) HWY_ATTR {
          fit_min<R, unroll(), searches()>(tile, lane, kImportanceGrid);
        });
      },
      [](const MinTile<R>& tile, size_t lane, const float* x, uint8_t* codes) HWY_ATTR {
        if (tile.odd[lane] != 0) return fit_min_scalar<kMaxCode>(tile, lane, x, codes);
        for (size_t i = 0; i < kElements; ++i) codes[i] = fitted_code(tile, lane, x[i]);
        return Fit{tile.scale[lane], -tile.min[lane], true};
      });
}

// Two vectors' worth of rounded products, half away from zero: adding just under one half and
// truncating, exact below 2^22. REQUIRES: they fit a byte.
HWY_INLINE void round_pair(const float* x, V inverse, int8_t* out) {
  const D d;
  const DI di;
  const size_t n = hn::Lanes(d);
  const auto rounded = [&](V v) HWY_ATTR {
    v = hn::Mul(v, inverse);
    const V away = hn::Trunc(hn::Add(v, hn::CopySign(hn::Set(d, 0.49999997f), v)));
    // The sum with the magic number has the integer in its low bits; ConvertTo would look for
    // values out of range.
    return hn::Sub(hn::BitCast(di, hn::Add(away, hn::Set(d, kRoundMagic))),
                   hn::Set(di, std::bit_cast<int32_t>(kRoundMagic)));
  };
#if HWY_TARGET == HWY_AVX2
  // Packing works on halves of vectors: these give the bytes in order.
  const hn::Half<D> half;
  const auto halves = [&](size_t low, size_t high) HWY_ATTR {
    return hn::Combine(d, hn::LoadU(half, x + high), hn::LoadU(half, x + low));
  };
  const hn::Repartition<int16_t, D> d16;
  const hn::Half<hn::Repartition<int8_t, D>> d8;
  const auto pair = hn::ReorderDemote2To(d16, rounded(halves(0, 8)), rounded(halves(4, 12)));
  hn::StoreU(hn::DemoteTo(d8, pair), d8, out);
  static_assert(hn::MaxLanes(D()) == 8);
#else
  const hn::Rebind<int8_t, D> d8;
  hn::StoreU(hn::DemoteTo(d8, rounded(hn::LoadU(d, x))), d8, out);
  hn::StoreU(hn::DemoteTo(d8, rounded(hn::LoadU(d, x + n))), d8, out + n);
#endif
}

HWY_INLINE float largest_magnitude_or_nan(const float* x) {
  const D d;
  const DI di;
  auto magnitude = hn::Zero(di);
  // As integers magnitudes keep their order, and NaN comes out on top.
  for (size_t i = 0; i < kElements; i += hn::Lanes(d))
    magnitude = hn::Max(magnitude, hn::BitCast(di, hn::Abs(hn::LoadU(d, x + i))));
  return std::bit_cast<float>(hn::GetLane(hn::MaxOfLanes(di, magnitude)));
}

void encode_q8_0(std::span<const float> row, std::byte* out) {
  const D d;
  constexpr size_t kGroup = 16;  // blocks whose divisions are done together
  const size_t blocks = row.size() / kElements;
  alignas(64) float scales[kGroup] = {}, inverses[kGroup];
  for (size_t first = 0; first < blocks; first += kGroup) {
    const size_t count = std::min(kGroup, blocks - first);
    for (size_t b = 0; b < count; ++b)
      scales[b] = largest_magnitude_or_nan(row.data() + (first + b) * kElements);
    for (size_t b = 0; b < kGroup; b += hn::Lanes(d)) {
      const V scale = hn::Div(hn::Load(d, scales + b), hn::Set(d, 127.0f));
      const V inverse = hn::Div(hn::Set(d, 1.0f), scale);
      hn::Store(scale, d, scales + b);
      hn::Store(hn::IfThenElseZero(hn::Ne(scale, hn::Zero(d)), inverse), d, inverses + b);
    }
    for (size_t b = 0; b < count; ++b) {
      const float* const x = row.data() + (first + b) * kElements;
      std::byte* const to = out + (first + b) * sizeof(BlockQ8_0);
      if (!(scales[b] <= FLT_MAX && inverses[b] <= FLT_MAX)) {
        reference::encode_row(DType::Q8_0, {x, kElements}, {}, {to, sizeof(BlockQ8_0)});
        continue;
      }
      const uint16_t scale = to_f16(scales[b]);
      std::memcpy(to, &scale, sizeof(scale));
      static_assert(offsetof(BlockQ8_0, qs) == sizeof(scale));
      auto* const codes = reinterpret_cast<int8_t*>(to + sizeof(scale));
      const V inverse = hn::Set(d, inverses[b]);
      for (size_t i = 0; i < kElements; i += 2 * hn::Lanes(d))
        round_pair(x + i, inverse, codes + i);
    }
  }
}

void encode_small(DType type, std::span<const float> row, std::span<const float> importance,
                  std::byte* out) {
  switch (type) {
    case DType::Q4_0: return encode_symmetric_32<8, BlockQ4_0>(type, row, importance, out);
    case DType::Q5_0: return encode_symmetric_32<16, BlockQ5_0>(type, row, importance, out);
    case DType::Q4_1: return encode_min_32<15, BlockQ4_1>(type, row, importance, out);
    case DType::Q5_1: return encode_min_32<31, BlockQ5_1>(type, row, importance, out);
    default: return encode_q8_0(row, out);
  }
}

}  // namespace
}  // namespace stkit::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace stkit::kernels {

HWY_EXPORT(encode_small);

void encode_small(DType type, std::span<const float> row, std::span<const float> importance,
                  std::byte* out) {
  HWY_DYNAMIC_DISPATCH(encode_small)(type, row, importance, out);
}

}  // namespace stkit::kernels
#endif  // HWY_ONCE
