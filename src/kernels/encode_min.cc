// Q2_K, Q4_K and Q5_K: super-blocks whose sub-blocks have a scale and a minimum.

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

#include "kernels/fit_min-inl.h"

HWY_BEFORE_NAMESPACE();
namespace stkit::kernels::HWY_NAMESPACE {
namespace {

constexpr size_t kBatchBlocks = kBatchElements / kSuperBlock;

template <class R>
constexpr size_t kSubBlocks = kSuperBlock / R::kElements;

// Each sub-block's own size as weights: |x|, and for the types with squared errors its root mean
// square on top. A sum of squares that is not finite marks NaN, infinities and overflow.
template <class R>
HWY_INLINE void weigh_by_size(MinTile<R>& tile) {
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

// Weights of the batch from its columns' importance; blocks that repeat in a padded batch get the
// weights of the last one.
template <class R, class ImportanceOf>
HWY_INLINE void weigh_by_importance(const float* batch, size_t count,
                                    const ImportanceOf& importance_of, float sigma_factor,
                                    MinTile<R>& tile) {
  alignas(64) float weights[kBatchElements];
  for (size_t b = 0; b < kBatchBlocks; ++b) {
    const float* const block = batch + b * kSuperBlock;
    const float sum = sum_of_squares(block, kSuperBlock);
    weigh(block, importance_of(std::min(b, count - 1)).data(), sigma_factor * sum / kSuperBlock,
          kSuperBlock, weights + b * kSuperBlock);
    std::fill_n(tile.odd + b * kSubBlocks<R>, kSubBlocks<R>, sum < HUGE_VALF ? 0.0f : 1.0f);
  }
  transpose<R::kElements>(weights, tile.weights);
}

// The codes with the scales as they will be read back; where a scale became zero those of the fit.
template <class R>
HWY_INLINE void recode(const SuperScales& super, const float* x, const MinTile<R>& tile,
                       size_t first_lane, SuperBlockCodes& codes) {
  const D d;
  const float scale = from_f16(super.d), min = from_f16(super.dmin);
  for (size_t j = 0; j < kSubBlocks<R>; ++j) {
    const float* const block = x + j * R::kElements;
    uint8_t* const out = codes.data() + j * R::kElements;
    const float sub_scale = scale * static_cast<float>(super.scales[j]);
    if (sub_scale == 0) {
      for (size_t i = 0; i < R::kElements; ++i)
        out[i] = fitted_code(tile, first_lane + j, block[i]);
      continue;
    }
    const V by = hn::Set(d, sub_scale);
    const V shift = hn::Set(d, min * static_cast<float>(super.mins[j]));
    for (size_t i = 0; i < R::kElements; i += hn::Lanes(d)) {
      const V q = hn::Div(hn::Add(hn::LoadU(d, block + i), shift), by);
      store_codes(clamp(round_to_int(q), 0, R::kMaxCode), out + i);
    }
  }
}

void store(const SuperScales& super, const SuperBlockCodes& codes, BlockQ2K& out) {
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

void store(const SuperScales& super, const SuperBlockCodes& codes, BlockQ4K& out) {
  out.d = super.d;
  out.dmin = super.dmin;
  pack_6_bit_pairs(pairs_of(super), out.scales);
  pack_4_bit(codes, out.qs);
}

void store(const SuperScales& super, const SuperBlockCodes& codes, BlockQ5K& out) {
  out.d = super.d;
  out.dmin = super.dmin;
  pack_6_bit_pairs(pairs_of(super), out.scales);
  pack_4_bit(codes, out.qs);
  pack_1_bit(codes, 16, out.qh);
}

template <class R, class Block>
HWY_INLINE void finish_block(DType type, const float* x, std::span<const float> importance,
                             const MinTile<R>& tile, size_t first_lane, int max_scale_code,
                             std::byte* out) {
  const float* const odd = tile.odd + first_lane;
  if (std::any_of(odd, odd + kSubBlocks<R>, [](float mark) { return mark != 0; }))
    return reference::encode_row(type, {x, kSuperBlock}, importance, {out, sizeof(Block)});
  SubFits fits;
  std::copy_n(tile.scale + first_lane, kSubBlocks<R>, fits.scales.begin());
  std::copy_n(tile.min + first_lane, kSubBlocks<R>, fits.mins.begin());
  std::copy_n(tile.weight_sum + first_lane, kSubBlocks<R>, fits.weight_sums.begin());
  const SuperScales super =
      quantize_scales(max_scale_code, kSubBlocks<R>, fits, !importance.empty());
  SuperBlockCodes codes;
  recode(super, x, tile, first_lane, codes);
  Block block;
  store(super, codes, block);
  std::memcpy(out, &block, sizeof(Block));
}

struct Settings {
  DType type;
  reference::Grid plain_grid;
  float sigma_factor;  // of a super-block's mean square, beside importance
  int max_scale_code;
};

template <class R, class Block>
void encode_blocks(const Settings& settings, std::span<const float> x, size_t columns,
                   std::span<const float> importance, std::byte* out) {
  MinTile<R> tile;
  for_each_batch(x, kSuperBlock, [&](const float* batch, size_t first, size_t count) HWY_ATTR {
    const auto importance_of = [&](size_t b) {
      return importance.empty()
                 ? importance
                 : importance.subspan((first + b) * kSuperBlock % columns, kSuperBlock);
    };
    transpose<R::kElements>(batch, tile.x);
    if (importance.empty()) {
      weigh_by_size(tile);
    } else {
      weigh_by_importance(batch, count, importance_of, settings.sigma_factor, tile);
    }
    const reference::Grid& grid = importance.empty() ? settings.plain_grid : kImportanceGrid;
    for_each_group<R::kLanes>([&](size_t lane, auto unroll, auto searches)
                                  HWY_ATTR { fit_min<R, unroll(), searches()>(tile, lane, grid); });
    for (size_t b = 0; b < count; ++b)
      finish_block<R, Block>(settings.type, batch + b * kSuperBlock, importance_of(b), tile,
                             b * kSubBlocks<R>, settings.max_scale_code,
                             out + (first + b) * sizeof(Block));
  });
}

template <class Plain, class Block>
void encode_either(const Settings& settings, std::span<const float> x, size_t columns,
                   std::span<const float> importance, std::byte* out) {
  using Weighted = MinRecipe<Plain::kMaxCode, Plain::kElements, 36, false>;
  static_assert(Weighted::kSteps == kImportanceGrid.steps);
  if (importance.empty()) {
    encode_blocks<Plain, Block>(settings, x, columns, importance, out);
  } else {
    encode_blocks<Weighted, Block>(settings, x, columns, importance, out);
  }
}

void encode_with_min(DType type, std::span<const float> x, size_t columns,
                     std::span<const float> importance, std::byte* out) {
  switch (type) {
    case DType::Q2_K:
      return encode_either<MinRecipe<3, 16, 15, true>, BlockQ2K>(
          {type, {-0.5f, 0.1f, 15, true}, 1, 15}, x, columns, importance, out);
    case DType::Q4_K:
      return encode_either<MinRecipe<15, 32, 20, false>, BlockQ4K>(
          {type, {-1.0f, 0.1f, 20, false}, 2, 63}, x, columns, importance, out);
    default:
      return encode_either<MinRecipe<31, 32, 15, false>, BlockQ5K>(
          {type, {-0.5f, 0.1f, 15, false}, 2, 63}, x, columns, importance, out);
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
