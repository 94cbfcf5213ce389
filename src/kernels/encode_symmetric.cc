// Q3_K and Q6_K: super-blocks whose sub-blocks have a scale only.

#include "kernels/encode_symmetric.h"

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
#define HWY_TARGET_INCLUDE "kernels/encode_symmetric.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep

#include <hwy/highway.h>

#include "kernels/fit_symmetric-inl.h"

HWY_BEFORE_NAMESPACE();
namespace stkit::kernels::HWY_NAMESPACE {
namespace {

constexpr size_t kSubElements = 16;
constexpr size_t kSubBlocks = kSuperBlock / kSubElements;
constexpr size_t kBatchBlocks = kBatchElements / kSuperBlock;
using Tile = SymmetricTile<kSubElements>;

// weighted = weights * x, with the plain x * x or with what lies in tile.weights already.
HWY_INLINE void multiply_weights(Tile& tile, bool by_size) {
  const D d;
  for (size_t i = 0; i < kBatchElements; i += hn::Lanes(d)) {
    const V x = hn::Load(d, tile.x + i);
    const V w = by_size ? hn::Mul(x, x) : hn::Load(d, tile.weights + i);
    hn::Store(w, d, tile.weights + i);
    hn::Store(hn::Mul(w, x), d, tile.weighted + i);
  }
}

// Codes with the scale as it will be read back, 0 to 2 * levels - 1.
template <int kLevels>
HWY_INLINE void recode(float scale, const float* x, uint8_t* out) {
  const D d;
  const V by = hn::Set(d, scale);
  const auto shift = hn::Set(DI(), kLevels);
  for (size_t i = 0; i < kSubElements; i += hn::Lanes(d)) {
    const auto l = round_to_int(hn::Div(hn::LoadU(d, x + i), by));
    store_codes(hn::Add(clamp(l, -kLevels, kLevels - 1), shift), out + i);
  }
}

HWY_INLINE bool any_odd(const Tile& tile, size_t first_lane) {
  const D d;
  V odd = hn::Zero(d);
  for (size_t i = 0; i < kSubBlocks; i += hn::Lanes(d))
    odd = hn::Or(odd, hn::LoadU(d, tile.odd + first_lane + i));
  return !hn::AllTrue(d, hn::Eq(odd, hn::Zero(d)));
}

void finish_q6(const float* x, const Tile& tile, size_t first_lane, BlockQ6K& out) {
  const std::span<const float> scales(tile.scale + first_lane, kSubBlocks);
  const float extreme = extreme_of(scales);
  if (std::fabs(extreme) < reference::kTiny) {
    out = {};
    return;
  }
  SuperBlockCodes codes;
  const float inverse = -128.0f / extreme;
  out.d = to_f16(1 / inverse);
  const D d;
  const V super_scale = hn::Set(d, from_f16(out.d));
  alignas(64) float block_scales[kSubBlocks];
  for (size_t j = 0; j < kSubBlocks; j += hn::Lanes(d)) {
    const V scaled = hn::Mul(hn::Set(d, inverse), hn::LoadU(d, scales.data() + j));
    const auto code = hn::Min(round_to_int(scaled), hn::Set(DI(), 127));
    const hn::Rebind<int8_t, D> d8;
    hn::StoreU(hn::DemoteTo(d8, code), d8, out.scales + j);
    hn::Store(hn::Mul(super_scale, hn::ConvertTo(d, code)), d, block_scales + j);
  }
  for (size_t j = 0; j < kSubBlocks; ++j) {
    const float* const block = x + j * kSubElements;
    uint8_t* const block_codes = codes.data() + j * kSubElements;
    if (block_scales[j] == 0) {
      fitted_codes<32>(tile, first_lane + j, block, block_codes);
    } else {
      recode<32>(block_scales[j], block, block_codes);
    }
  }
  pack_6_bit(codes, out.ql, out.qh);
}

void finish_q3(const float* x, const Tile& tile, size_t first_lane, const float* weight_sums,
               BlockQ3K& out) {
  const std::span<const float> scales(tile.scale + first_lane, kSubBlocks);
  std::array<uint8_t, 16> scale_codes;
  out.d = quantize_signed_scales(scales,
                                 weight_sums == nullptr
                                     ? std::span<const float>()
                                     : std::span<const float>(weight_sums, kSubBlocks),
                                 scale_codes);
  pack_6_bit_scales(scale_codes, out.scales);
  SuperBlockCodes codes;
  for (size_t j = 0; j < kSubBlocks; ++j) {
    const float scale = from_f16(out.d) * static_cast<float>(scale_codes[j] - 32);
    const float* const block = x + j * kSubElements;
    uint8_t* const block_codes = codes.data() + j * kSubElements;
    if (scale != 0) {
      recode<4>(scale, block, block_codes);
    } else if (weight_sums != nullptr) {
      fitted_codes<4>(tile, first_lane + j, block, block_codes);
    } else {
      for (size_t i = 0; i < kSubElements; ++i)
        block_codes[i] = static_cast<uint8_t>(tile.weights[i * Tile::kLanes + first_lane + j]);
    }
  }
  pack_1_bit(codes, 4, out.hmask);
  for (uint8_t& code : codes) code &= 3;
  pack_2_bit(codes, out.qs);
}

void encode_symmetric(DType type, std::span<const float> x, size_t columns,
                      std::span<const float> importance, std::byte* out) {
  Tile tile;
  const bool is_q6 = type == DType::Q6_K;
  const size_t block_bytes = is_q6 ? sizeof(BlockQ6K) : sizeof(BlockQ3K);
  for_each_batch(x, kSuperBlock, [&](const float* batch, size_t first, size_t count) HWY_ATTR {
    const auto importance_of = [&](size_t b) {
      return importance.empty()
                 ? importance
                 : importance.subspan((first + b) * kSuperBlock % columns, kSuperBlock);
    };
    transpose<kSubElements>(batch, tile.x);
    alignas(64) float weights[kBatchElements];
    float weight_sums[Tile::kLanes] = {};
    if (!importance.empty()) {
      for (size_t b = 0; b < kBatchBlocks; ++b) {
        const float* const block = batch + b * kSuperBlock;
        const float* const columns_of = importance_of(std::min(b, count - 1)).data();
        float* const to = weights + b * kSuperBlock;
        if (is_q6) {  // by importance alone
          std::copy_n(columns_of, kSuperBlock, to);
        } else {
          weigh(block, columns_of, 2 * sum_of_squares(block, kSuperBlock) / kSuperBlock,
                kSuperBlock, to);
        }
      }
      for (size_t i = 0; i < kBatchElements; ++i) weight_sums[i / kSubElements] += weights[i];
      transpose<kSubElements>(weights, tile.weights);
    }
    const bool greedy = !is_q6 && importance.empty();
    if (!greedy) multiply_weights(tile, importance.empty());
    for_each_vector<Tile::kLanes>([&](size_t lane, auto unroll) HWY_ATTR {
      if (greedy) {
        fit_symmetric_greedy<4, Tile, unroll()>(tile, lane);
      } else if (is_q6) {
        fit_symmetric<32, Tile, unroll()>(tile, lane);
      } else {
        fit_symmetric<4, Tile, unroll()>(tile, lane);
      }
    });
    for (size_t b = 0; b < count; ++b) {
      const float* const block = batch + b * kSuperBlock;
      std::byte* const to = out + (first + b) * block_bytes;
      const size_t lane = b * kSubBlocks;
      if (any_odd(tile, lane)) {
        reference::encode_row(type, {block, kSuperBlock}, importance_of(b), {to, block_bytes});
      } else if (is_q6) {
        BlockQ6K encoded;
        finish_q6(block, tile, lane, encoded);
        std::memcpy(to, &encoded, sizeof(encoded));
      } else {
        BlockQ3K encoded;
        finish_q3(block, tile, lane, importance.empty() ? nullptr : weight_sums + lane, encoded);
        std::memcpy(to, &encoded, sizeof(encoded));
      }
    }
  });
}

}  // namespace
}  // namespace stkit::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace stkit::kernels {

HWY_EXPORT(encode_symmetric);

void encode_symmetric(DType type, std::span<const float> x, size_t columns,
                      std::span<const float> importance, std::byte* out) {
  HWY_DYNAMIC_DISPATCH(encode_symmetric)(type, x, columns, importance, out);
}

}  // namespace stkit::kernels
#endif  // HWY_ONCE
