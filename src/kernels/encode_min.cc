// Q2_K, Q4_K and Q5_K: scale and minimum of each sub-block by a grid search, one sub-block a lane.
//
// A batch of super-blocks is transposed into a tile of [element][sub-block], so that a vector holds
// the same element of as many sub-blocks as it has lanes. What the reference does that lanes cannot
// (see `odd` below) sends the whole super-block to the reference; ordinary weights never do.

#include "kernels/encode_min.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "kernels/block_fit.h"
#include "kernels/block_layout.h"
#include "kernels/block_packing.h"
#include "kernels/block_reference.h"
#include "kernels/block_scales.h"
#include "kernels/half.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/encode_min.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace stkit::kernels::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;
using reference::Grid;

// 1024 elements: x and weights of a batch together fill 8 KiB, a quarter of a small L1.
constexpr size_t kBatchBlocks = 4;
constexpr size_t kBatchElements = kBatchBlocks * kSuperBlock;
// Two vectors at a time hide the latency of the sums, whose order is fixed.
constexpr size_t kUnroll = 2;
// Adding it leaves the nearest integer in the low bits of the sum.
constexpr float kRoundMagic = 12582912.0f;
constexpr float kRoundLimit = 4194303.0f;

template <int kMaxCodeValue, size_t kElementsValue, size_t kStepsValue, bool kAbsoluteValue>
struct Recipe {
  static constexpr int kMaxCode = kMaxCodeValue;
  static constexpr size_t kElements = kElementsValue;  // of a sub-block
  static constexpr size_t kSubBlocks = kSuperBlock / kElements;
  static constexpr size_t kLanes = kBatchBlocks * kSubBlocks;
  static constexpr size_t kSteps = kStepsValue;
  static constexpr bool kAbsolute = kAbsoluteValue;
};

template <class R>
struct alignas(64) Tile {
  float x[kBatchElements];
  float weights[kBatchElements];
  float scale[R::kLanes], min[R::kLanes];
  // The grid point of the best fit: its codes are wanted only where a scale becomes zero.
  float best_inverse[R::kLanes], best_low[R::kLanes];
  float weight_sum[R::kLanes];
  float odd[R::kLanes];  // not zero: the reference must do this sub-block
};

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

template <size_t kCount>
struct Vs {
  V v[kCount];
};

// The search of reference::fit_with_min for kUnroll vectors of sub-blocks starting at lane `at`.
template <class R, size_t kU>
HWY_INLINE void fit_lanes(Tile<R>& tile, size_t at, const Grid& grid) {
  const D d;
  const size_t n = hn::Lanes(d);
  const V magic = hn::Set(d, kRoundMagic), zero = hn::Zero(d);
  const V full = hn::Set(d, static_cast<float>(R::kMaxCode));
  const float* const xs = tile.x + at;
  const float* const ws = tile.weights + at;
  const auto x_at = [&](size_t i, size_t u)
                        HWY_ATTR { return hn::Load(d, xs + i * R::kLanes + u * n); };
  const auto w_at = [&](size_t i, size_t u)
                        HWY_ATTR { return hn::Load(d, ws + i * R::kLanes + u * n); };

  Vs<kU> low, high, sum_w, sum_x, smallest;
  for (size_t u = 0; u < kU; ++u) {
    low.v[u] = high.v[u] = x_at(0, u);
    sum_w.v[u] = w_at(0, u);
    sum_x.v[u] = hn::Mul(sum_w.v[u], low.v[u]);
  }
  for (size_t i = 1; i < R::kElements; ++i) {
    for (size_t u = 0; u < kU; ++u) {
      const V x = x_at(i, u), w = w_at(i, u);
      low.v[u] = hn::Min(x, low.v[u]);
      high.v[u] = hn::Max(x, high.v[u]);
      sum_w.v[u] = hn::Add(sum_w.v[u], w);
      sum_x.v[u] = hn::Add(sum_x.v[u], hn::Mul(w, x));
    }
  }

  Vs<kU> best, scale, best_inverse, best_low, bad;
  for (size_t u = 0; u < kU; ++u) {
    smallest.v[u] = low.v[u];
    low.v[u] = hn::Min(low.v[u], zero);
    best_inverse.v[u] = hn::Div(full, hn::Sub(high.v[u], low.v[u]));
    best_low.v[u] = low.v[u];
    scale.v[u] = hn::Div(hn::Set(d, 1.0f), best_inverse.v[u]);
    best.v[u] = zero;
    bad.v[u] = zero;
  }
  for (size_t i = 0; i < R::kElements; ++i) {
    for (size_t u = 0; u < kU; ++u) {
      const V x = x_at(i, u);
      // No clamps: 0 <= x - low <= high - low, so the codes are in range by themselves.
      const V l = hn::Sub(hn::Add(hn::Mul(best_inverse.v[u], hn::Sub(x, low.v[u])), magic), magic);
      const V e = hn::Sub(hn::Add(hn::Mul(scale.v[u], l), low.v[u]), x);
      const V size = R::kAbsolute ? hn::Abs(e) : hn::Mul(e, e);
      best.v[u] = hn::Add(best.v[u], hn::Mul(w_at(i, u), size));
    }
  }

  alignas(64) float trial[R::kElements * kU * HWY_MAX_BYTES / sizeof(float)];
  for (size_t step = 0; step <= R::kSteps; ++step) {
    const float numerator =
        grid.start + grid.step * static_cast<float>(step) + static_cast<float>(R::kMaxCode);
    Vs<kU> inverse, sum_l, sum_l2, sum_xl;
    for (size_t u = 0; u < kU; ++u) {
      const V range = hn::Sub(high.v[u], low.v[u]);
      inverse.v[u] = hn::Div(hn::Set(d, numerator), range);
      sum_l.v[u] = sum_l2.v[u] = sum_xl.v[u] = zero;
      // The rounding trick and the missing clamp need a positive range and products in reach.
      const V reach = hn::Max(hn::Abs(hn::Sub(smallest.v[u], low.v[u])), range);
      const auto fine = hn::And(hn::Gt(range, zero),
                                hn::Le(hn::Mul(inverse.v[u], reach), hn::Set(d, kRoundLimit)));
      bad.v[u] = hn::Add(bad.v[u], hn::IfThenElse(fine, zero, hn::Set(d, 1.0f)));
    }
    const auto accumulate = [&](auto clamp_above) HWY_ATTR {
      for (size_t i = 0; i < R::kElements; ++i) {
        for (size_t u = 0; u < kU; ++u) {
          const V x = x_at(i, u), w = w_at(i, u);
          V l = hn::Sub(hn::Add(hn::Mul(inverse.v[u], hn::Sub(x, low.v[u])), magic), magic);
          if constexpr (clamp_above()) l = hn::Min(l, full);
          l = hn::Max(l, zero);
          hn::Store(l, d, trial + (i * kU + u) * n);
          const V wl = hn::Mul(w, l);
          sum_l.v[u] = hn::Add(sum_l.v[u], wl);
          sum_l2.v[u] = hn::Add(sum_l2.v[u], hn::Mul(wl, l));
          sum_xl.v[u] = hn::Add(sum_xl.v[u], hn::Mul(wl, x));
        }
      }
    };
    // (x - low) * inverse <= numerator (1 + 2^-22), which rounds to max_code by itself.
    if (numerator < static_cast<float>(R::kMaxCode) + 0.49f)
      accumulate(std::false_type());
    else
      accumulate(std::true_type());

    Vs<kU> slope, offset, error;
    for (size_t u = 0; u < kU; ++u) {
      const V det = hn::Sub(hn::Mul(sum_w.v[u], sum_l2.v[u]), hn::Mul(sum_l.v[u], sum_l.v[u]));
      const V a =
          hn::Div(hn::Sub(hn::Mul(sum_w.v[u], sum_xl.v[u]), hn::Mul(sum_x.v[u], sum_l.v[u])), det);
      const V b =
          hn::Div(hn::Sub(hn::Mul(sum_l2.v[u], sum_x.v[u]), hn::Mul(sum_l.v[u], sum_xl.v[u])), det);
      const auto above = hn::Gt(b, zero);
      slope.v[u] = hn::IfThenElse(above, hn::Div(sum_xl.v[u], sum_l2.v[u]), a);
      offset.v[u] = hn::IfThenElse(above, zero, b);
      error.v[u] = zero;
      // A determinant that is not positive skips the step: make the error too large to win.
      sum_l.v[u] = hn::IfThenElse(hn::Gt(det, zero), zero, hn::Set(d, HUGE_VALF));
    }
    for (size_t i = 0; i < R::kElements; ++i) {
      for (size_t u = 0; u < kU; ++u) {
        const V l = hn::Load(d, trial + (i * kU + u) * n);
        const V e = hn::Sub(hn::Add(hn::Mul(slope.v[u], l), offset.v[u]), x_at(i, u));
        const V size = R::kAbsolute ? hn::Abs(e) : hn::Mul(e, e);
        error.v[u] = hn::Add(error.v[u], hn::Mul(w_at(i, u), size));
      }
    }
    for (size_t u = 0; u < kU; ++u) {
      const auto better = hn::Lt(hn::Add(error.v[u], sum_l.v[u]), best.v[u]);
      best.v[u] = hn::IfThenElse(better, error.v[u], best.v[u]);
      scale.v[u] = hn::IfThenElse(better, slope.v[u], scale.v[u]);
      best_inverse.v[u] = hn::IfThenElse(better, inverse.v[u], best_inverse.v[u]);
      best_low.v[u] = hn::IfThenElse(better, low.v[u], best_low.v[u]);
      low.v[u] = hn::IfThenElse(better, offset.v[u], low.v[u]);
    }
  }
  for (size_t u = 0; u < kU; ++u) {
    const size_t lane = at + u * n;
    hn::Store(scale.v[u], d, tile.scale + lane);
    hn::Store(hn::Neg(low.v[u]), d, tile.min + lane);
    hn::Store(best_inverse.v[u], d, tile.best_inverse + lane);
    hn::Store(best_low.v[u], d, tile.best_low + lane);
    hn::Store(sum_w.v[u], d, tile.weight_sum + lane);
    hn::Store(hn::Add(bad.v[u], hn::Load(d, tile.odd + lane)), d, tile.odd + lane);
  }
}

// [sub-block][element] to [element][sub-block].
template <class R>
void transpose(const float* x, float* tile) {
  for (size_t lane = 0; lane < R::kLanes; ++lane)
    for (size_t i = 0; i < R::kElements; ++i)
      tile[i * R::kLanes + lane] = x[lane * R::kElements + i];
}

// Each sub-block's own size as weights: |x|, and for the types with squared errors its root mean
// square on top. A sum of squares that is not finite marks NaN, infinities and overflow.
template <class R>
HWY_INLINE void weigh_by_size(Tile<R>& tile) {
  const D d;
  for (size_t lane = 0; lane < R::kLanes; lane += hn::Lanes(d)) {
    V sum = hn::Zero(d);
    for (size_t i = 0; i < R::kElements; ++i) {
      const V x = hn::Load(d, tile.x + i * R::kLanes + lane);
      sum = hn::Add(sum, hn::Mul(x, x));
    }
    const auto finite = hn::Lt(sum, hn::Set(d, HUGE_VALF));
    hn::Store(hn::IfThenElse(finite, hn::Zero(d), hn::Set(d, 1.0f)), d, tile.odd + lane);
    const V base = R::kAbsolute
                       ? hn::Zero(d)
                       : hn::Sqrt(hn::Div(sum, hn::Set(d, static_cast<float>(R::kElements))));
    for (size_t i = 0; i < R::kElements; ++i) {
      const V x = hn::Load(d, tile.x + i * R::kLanes + lane);
      hn::Store(hn::Add(base, hn::Abs(x)), d, tile.weights + i * R::kLanes + lane);
    }
  }
}

template <class R>
HWY_INLINE void weigh_by_importance(const float* x, const float* const* importance,
                                    float sigma_factor, Tile<R>& tile) {
  const D d;
  alignas(64) float weights[kSuperBlock];
  for (size_t b = 0; b < kBatchBlocks; ++b) {
    const float* const block = x + b * kSuperBlock;
    float sum = 0;
    for (size_t i = 0; i < kSuperBlock; ++i) sum += block[i] * block[i];
    const V sigma2 = hn::Set(d, sigma_factor * sum / kSuperBlock);
    for (size_t i = 0; i < kSuperBlock; i += hn::Lanes(d)) {
      const V v = hn::LoadU(d, block + i);
      const V w =
          hn::Mul(hn::LoadU(d, importance[b] + i), hn::Sqrt(hn::Add(sigma2, hn::Mul(v, v))));
      hn::Store(w, d, weights + i);
    }
    for (size_t j = 0; j < R::kSubBlocks; ++j) {
      const size_t lane = b * R::kSubBlocks + j;
      tile.odd[lane] = sum < HUGE_VALF ? 0.0f : 1.0f;
      for (size_t i = 0; i < R::kElements; ++i)
        tile.weights[i * R::kLanes + lane] = weights[j * R::kElements + i];
    }
  }
}

// The codes with the scales as they will be read back.
template <class R>
HWY_INLINE void recode(const SuperScales& super, const float* x, const Tile<R>& tile,
                       size_t first_lane, SuperBlockCodes& codes) {
  const D d;
  const hn::Rebind<int32_t, D> di;
  const hn::Rebind<uint8_t, D> d8;
  const float scale = from_f16(super.d), min = from_f16(super.dmin);
  const V magic = hn::Set(d, kRoundMagic);
  for (size_t j = 0; j < R::kSubBlocks; ++j) {
    const float* const block = x + j * R::kElements;
    uint8_t* const out = codes.data() + j * R::kElements;
    const float sub_scale = scale * static_cast<float>(super.scales[j]);
    if (sub_scale == 0) {
      const size_t lane = first_lane + j;
      for (size_t i = 0; i < R::kElements; ++i)
        out[i] = static_cast<uint8_t>(std::clamp(
            reference::round_to_int(tile.best_inverse[lane] * (block[i] - tile.best_low[lane])), 0,
            R::kMaxCode));
      continue;
    }
    const V by = hn::Set(d, sub_scale);
    const V shift = hn::Set(d, min * static_cast<float>(super.mins[j]));
    for (size_t i = 0; i < R::kElements; i += hn::Lanes(d)) {
      const V q = hn::Div(hn::Add(hn::LoadU(d, block + i), shift), by);
      const auto bits = hn::BitCast(di, hn::Add(q, magic));
      auto code = hn::Sub(hn::And(bits, hn::Set(di, 0x007FFFFF)), hn::Set(di, 0x00400000));
      code = hn::Min(hn::Max(code, hn::Zero(di)), hn::Set(di, R::kMaxCode));
      hn::StoreU(hn::DemoteTo(d8, code), d8, out + i);
    }
  }
}

void store(const SuperScales& super, SuperBlockCodes& codes, BlockQ2K& out) {
  out.d = super.d;
  out.dmin = super.dmin;
  for (size_t j = 0; j < 16; ++j)
    out.scales[j] = static_cast<uint8_t>(super.scales[j] | super.mins[j] << 4);
  pack_2_bit(codes, out.qs);
}

ScalesAndMins pairs_of(const SuperScales& super) {
  ScalesAndMins pairs;
  std::copy_n(super.scales.begin(), 8, pairs.scales.begin());
  std::copy_n(super.mins.begin(), 8, pairs.mins.begin());
  return pairs;
}

void store(const SuperScales& super, SuperBlockCodes& codes, BlockQ4K& out) {
  out.d = super.d;
  out.dmin = super.dmin;
  pack_6_bit_pairs(pairs_of(super), out.scales);
  pack_4_bit(codes, out.qs);
}

void store(const SuperScales& super, SuperBlockCodes& codes, BlockQ5K& out) {
  out.d = super.d;
  out.dmin = super.dmin;
  pack_6_bit_pairs(pairs_of(super), out.scales);
  pack_4_bit(codes, out.qs);
  pack_1_bit(codes, 16, out.qh);
}

template <class R, class Block>
HWY_INLINE void finish_block(DType type, const float* x, std::span<const float> importance,
                             const Tile<R>& tile, size_t first_lane, int max_scale_code,
                             std::byte* out) {
  for (size_t j = 0; j < R::kSubBlocks; ++j) {
    if (tile.odd[first_lane + j] != 0)
      return reference::encode_row(type, {x, kSuperBlock}, importance, {out, sizeof(Block)});
  }
  SubFits fits;
  std::copy_n(tile.scale + first_lane, R::kSubBlocks, fits.scales.begin());
  std::copy_n(tile.min + first_lane, R::kSubBlocks, fits.mins.begin());
  std::copy_n(tile.weight_sum + first_lane, R::kSubBlocks, fits.weight_sums.begin());
  const SuperScales super =
      quantize_scales(max_scale_code, R::kSubBlocks, fits, !importance.empty());
  SuperBlockCodes codes;
  recode<R>(super, x, tile, first_lane, codes);
  Block block;
  store(super, codes, block);
  std::memcpy(out, &block, sizeof(Block));
}

template <class R, class Block>
void encode_blocks(DType type, std::span<const float> x, size_t columns,
                   std::span<const float> importance, const Grid& plain_grid, float sigma_factor,
                   int max_scale_code, std::byte* out) {
  constexpr Grid kImportanceGrid{-0.9f, 0.05f, 36, false};
  const D d;
  const size_t n = hn::Lanes(d);
  const size_t blocks = x.size() / kSuperBlock;
  const auto importance_of = [&](size_t block) {
    return importance.empty() ? importance
                              : importance.subspan(block * kSuperBlock % columns, kSuperBlock);
  };
  Tile<R> tile;
  for (size_t first = 0; first < blocks; first += kBatchBlocks) {
    const size_t count = std::min(kBatchBlocks, blocks - first);
    const float* batch = x.data() + first * kSuperBlock;
    alignas(64) float padded[kBatchElements];
    if (count < kBatchBlocks) {
      // The lanes that are left over repeat the last block; their results are dropped.
      for (size_t b = 0; b < kBatchBlocks; ++b)
        std::memcpy(padded + b * kSuperBlock, batch + std::min(b, count - 1) * kSuperBlock,
                    kSuperBlock * sizeof(float));
      batch = padded;
    }
    transpose<R>(batch, tile.x);
    if (importance.empty()) {
      weigh_by_size<R>(tile);
    } else {
      const float* weights[kBatchBlocks];
      for (size_t b = 0; b < kBatchBlocks; ++b)
        weights[b] = importance_of(first + std::min(b, count - 1)).data();
      weigh_by_importance<R>(batch, weights, sigma_factor, tile);
    }
    const Grid& grid = importance.empty() ? plain_grid : kImportanceGrid;
    size_t lane = 0;
    for (; lane + kUnroll * n <= R::kLanes; lane += kUnroll * n)
      fit_lanes<R, kUnroll>(tile, lane, grid);
    for (; lane < R::kLanes; lane += n) fit_lanes<R, 1>(tile, lane, grid);
    for (size_t b = 0; b < count; ++b)
      finish_block<R, Block>(type, batch + b * kSuperBlock, importance_of(first + b), tile,
                             b * R::kSubBlocks, max_scale_code, out + (first + b) * sizeof(Block));
  }
}

void encode_with_min(DType type, std::span<const float> x, size_t columns,
                     std::span<const float> importance, std::byte* out) {
  constexpr Grid kGridQ2K{-0.5f, 0.1f, 15, true};
  constexpr Grid kGridQ4K{-1.0f, 0.1f, 20, false};
  constexpr Grid kGridQ5K{-0.5f, 0.1f, 15, false};
  const bool plain = importance.empty();
  if (type == DType::Q2_K) {
    if (plain)
      encode_blocks<Recipe<3, 16, 15, true>, BlockQ2K>(type, x, columns, importance, kGridQ2K, 1,
                                                       15, out);
    else
      encode_blocks<Recipe<3, 16, 36, false>, BlockQ2K>(type, x, columns, importance, kGridQ2K, 1,
                                                        15, out);
  } else if (type == DType::Q4_K) {
    if (plain)
      encode_blocks<Recipe<15, 32, 20, false>, BlockQ4K>(type, x, columns, importance, kGridQ4K, 2,
                                                         63, out);
    else
      encode_blocks<Recipe<15, 32, 36, false>, BlockQ4K>(type, x, columns, importance, kGridQ4K, 2,
                                                         63, out);
  } else {
    if (plain)
      encode_blocks<Recipe<31, 32, 15, false>, BlockQ5K>(type, x, columns, importance, kGridQ5K, 2,
                                                         63, out);
    else
      encode_blocks<Recipe<31, 32, 36, false>, BlockQ5K>(type, x, columns, importance, kGridQ5K, 2,
                                                         63, out);
  }
}

}  // namespace
}  // namespace stkit::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace stkit::kernels {

HWY_EXPORT(encode_with_min);

void encode_with_min(DType type, std::span<const float> x, size_t columns,
                     std::span<const float> importance, std::byte* out) {
  HWY_DYNAMIC_DISPATCH(encode_with_min)(type, x, columns, importance, out);
}

}  // namespace stkit::kernels
#endif  // HWY_ONCE
