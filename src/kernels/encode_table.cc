// MXFP4, IQ4_NL and IQ4_XS: codes into a table of values that are not evenly spaced.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "kernels/block_fit.h"
#include "kernels/block_layout.h"
#include "kernels/block_reference.h"
#include "kernels/block_scales.h"
#include "kernels/encode_small.h"
#include "kernels/half.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/encode_table.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep

#include <hwy/highway.h>

#include "kernels/fit_symmetric-inl.h"

HWY_BEFORE_NAMESPACE();
namespace stkit::kernels::HWY_NAMESPACE {
namespace {

constexpr size_t kElements = 32;
using Tile = SymmetricTile<kElements>;

// A value on or above the middle of two entries takes the upper one. The middles are multiples of
// one half, so comparing with them decides as comparing the two distances does.
HWY_INLINE V nearest_value(V value) {
  const D d;
  V nearest = hn::Set(d, static_cast<float>(kIq4Values[0]));
  for (size_t k = 1; k < kIq4Values.size(); ++k) {
    const float middle = static_cast<float>(kIq4Values[k - 1] + kIq4Values[k]) / 2;
    nearest = hn::IfThenElse(hn::Ge(value, hn::Set(d, middle)),
                             hn::Set(d, static_cast<float>(kIq4Values[k])), nearest);
  }
  return nearest;
}

HWY_INLINE void nearest_codes(float inverse, const float* x, uint8_t* out) {
  const D d;
  const DI di;
  for (size_t i = 0; i < kElements; i += hn::Lanes(d)) {
    const V value = hn::Mul(hn::Set(d, inverse), hn::LoadU(d, x + i));
    auto code = hn::Zero(di);
    for (size_t k = 1; k < kIq4Values.size(); ++k) {
      const float middle = static_cast<float>(kIq4Values[k - 1] + kIq4Values[k]) / 2;
      const auto above = hn::RebindMask(di, hn::Ge(value, hn::Set(d, middle)));
      code = hn::Sub(code, hn::VecFromMask(di, above));
    }
    store_codes(code, out + i);
  }
}

HWY_INLINE void pack(const uint8_t* codes, uint8_t* out) {
  for (size_t j = 0; j < 16; ++j) out[j] = static_cast<uint8_t>(codes[j] | codes[j + 16] << 4);
}

// The search of the reference's fit_iq4 for kU vectors of blocks.
template <size_t kU>
HWY_INLINE void fit_iq4(Tile& tile, size_t at) {
  const D d;
  const size_t n = hn::Lanes(d);
  const V zero = hn::Zero(d);
  const V lowest = hn::Set(d, static_cast<float>(kIq4Values[0]));
  const Vs<kU> extreme = extremes<Tile, kU>(tile, at);
  Vs<kU> scale, best, inverse, a, b;
  const auto moments = [&]() HWY_ATTR {
    for (size_t u = 0; u < kU; ++u) a.v[u] = b.v[u] = zero;
    for (size_t i = 0; i < kElements; ++i) {
      for (size_t u = 0; u < kU; ++u) {
        const size_t place = i * Tile::kLanes + at + u * n;
        const V x = hn::Load(d, tile.x + place);
        const V q = nearest_value(hn::Mul(inverse.v[u], x));
        const V wq = hn::Mul(hn::Load(d, tile.weights + place), q);
        a.v[u] = hn::Add(a.v[u], hn::Mul(wq, x));
        b.v[u] = hn::Add(b.v[u], hn::Mul(wq, q));
      }
    }
  };
  for (size_t u = 0; u < kU; ++u)
    inverse.v[u] = hn::Div(hn::Set(d, 1.0f), hn::Div(hn::Neg(extreme.v[u]), lowest));
  moments();
  for (size_t u = 0; u < kU; ++u) {
    scale.v[u] = hn::Div(a.v[u], b.v[u]);
    best.v[u] = hn::Mul(scale.v[u], a.v[u]);
  }
  for (int t = -7; t <= 7; ++t) {
    for (size_t u = 0; u < kU; ++u)
      inverse.v[u] = hn::Div(hn::Add(hn::Set(d, static_cast<float>(t)), lowest), extreme.v[u]);
    moments();
    for (size_t u = 0; u < kU; ++u) {
      const auto better = hn::And(hn::Gt(b.v[u], zero),
                                  hn::Gt(hn::Mul(a.v[u], a.v[u]), hn::Mul(best.v[u], b.v[u])));
      const V trial = hn::Div(a.v[u], b.v[u]);
      scale.v[u] = hn::IfThenElse(better, trial, scale.v[u]);
      best.v[u] = hn::IfThenElse(better, hn::Mul(trial, a.v[u]), best.v[u]);
    }
  }
  for (size_t u = 0; u < kU; ++u) {
    const size_t lane = at + u * n;
    const V chosen = hn::IfThenElse(is_tiny(extreme.v[u]), zero, scale.v[u]);
    hn::Store(chosen, d, tile.scale + lane);
    // Sums that overflowed: the comparisons above do not treat NaN as the binary search does.
    const auto finite = hn::Lt(hn::Abs(chosen), hn::Set(d, HUGE_VALF));
    const V odd = hn::IfThenElse(finite, zero, hn::Set(d, 1.0f));
    hn::Store(hn::Add(hn::Load(d, tile.odd + lane), odd), d, tile.odd + lane);
  }
}

HWY_INLINE float inverse_or_zero(float value) { return value != 0 ? 1 / value : 0; }

void finish_nl(const float* x, float scale, std::byte* out) {
  BlockIq4Nl block;
  uint8_t codes[kElements];
  block.d = to_f16(scale);
  nearest_codes(inverse_or_zero(scale), x, codes);
  pack(codes, block.qs);
  std::memcpy(out, &block, sizeof(block));
}

void finish_xs(const float* x, std::span<const float, 8> scales, std::byte* out) {
  BlockIq4Xs block = {};
  const float d = -extreme_of(scales) / 32;
  const float inverse = inverse_or_zero(d);
  block.d = to_f16(d);
  for (size_t b = 0; b < 8; ++b) {
    const int l = std::clamp(reference::round_to_int(inverse * scales[b]), -32, 31);
    uint8_t codes[kElements];
    // With the float scale, not with the half that will be read back.
    nearest_codes(inverse_or_zero(d * static_cast<float>(l)), x + b * kElements, codes);
    pack(codes, block.qs + 16 * b);
    const int stored = l + 32;
    block.scales_l[b / 2] =
        static_cast<uint8_t>(block.scales_l[b / 2] | (stored & 15) << 4 * (b % 2));
    block.scales_h = static_cast<uint16_t>(block.scales_h | (stored >> 4) << 2 * b);
  }
  std::memcpy(out, &block, sizeof(block));
}

void encode_iq4(DType type, std::span<const float> row, std::span<const float> importance,
                std::byte* out) {
  const size_t block_elements = info(type).block_elements;
  const size_t block_bytes = info(type).block_bytes;
  const size_t in_block = block_elements / kElements;  // tile lanes that belong together
  Tile tile;
  for_each_batch(row, block_elements, [&](const float* batch, size_t first, size_t count) HWY_ATTR {
    alignas(64) float weights[kBatchElements];
    for (size_t b = 0; b < kBatchElements / block_elements; ++b) {
      const float* const x = batch + b * block_elements;
      float* const to = weights + b * block_elements;
      if (importance.empty()) {
        for (size_t i = 0; i < block_elements; ++i) to[i] = x[i] * x[i];
      } else {
        const float sigma2 =
            2 * sum_of_squares(x, block_elements) / static_cast<float>(block_elements);
        weigh(x, importance.data() + (first + std::min(b, count - 1)) * block_elements, sigma2,
              block_elements, to);
      }
    }
    transpose<kElements>(batch, tile.x);
    transpose<kElements>(weights, tile.weights);
    for_each_vector<Tile::kLanes>([&](size_t lane, auto unroll)
                                      HWY_ATTR { fit_iq4<unroll()>(tile, lane); });
    for (size_t b = 0; b < count; ++b) {
      const float* const x = batch + b * block_elements;
      std::byte* const to = out + (first + b) * block_bytes;
      const size_t lane = b * in_block;
      if (std::any_of(tile.odd + lane, tile.odd + lane + in_block,
                      [](float mark) { return mark != 0; })) {
        reference::encode_row(
            type, {x, block_elements},
            importance.empty() ? importance
                               : importance.subspan((first + b) * block_elements, block_elements),
            {to, block_bytes});
      } else if (type == DType::IQ4_NL) {
        finish_nl(x, tile.scale[lane], to);
      } else {
        finish_xs(x, std::span<const float, 8>(tile.scale + lane, 8), to);
      }
    }
  });
}

// The middles of 0, 1, 2, 3, 4, 6, 8, 12. A tie goes to the smaller magnitude, as the reference's
// first-best search has it; a negative value that rounds to zero takes the positive zero.
constexpr std::array<float, 7> kMxfp4Middles = {0.5f, 1.5f, 2.5f, 3.5f, 5, 7, 10};

void encode_mxfp4(std::span<const float> row, std::byte* out) {
  const D d;
  const DI di;
  for (size_t b = 0; b < row.size() / kElements; ++b) {
    const float* const x = row.data() + b * kElements;
    auto magnitude = hn::Zero(di);
    for (size_t i = 0; i < kElements; i += hn::Lanes(d))
      magnitude = hn::Max(magnitude, hn::BitCast(di, hn::Abs(hn::LoadU(d, x + i))));
    const int32_t bits = hn::GetLane(hn::MaxOfLanes(di, magnitude));
    BlockMxfp4 block;
    std::byte* const to = out + b * sizeof(block);
    if (bits >= 0x7F800000) {
      reference::encode_row(DType::MXFP4, {x, kElements}, {}, {to, sizeof(block)});
      continue;
    }
    block.e = reference::mxfp4_exponent(std::bit_cast<float>(bits));
    const float scale = std::ldexp(1.0f, block.e - 128);
    uint8_t codes[kElements];
    for (size_t i = 0; i < kElements; i += hn::Lanes(d)) {
      const V value = hn::LoadU(d, x + i);
      auto code = hn::Zero(di);
      for (const float middle : kMxfp4Middles) {
        const auto above = hn::RebindMask(di, hn::Gt(hn::Abs(value), hn::Set(d, middle * scale)));
        code = hn::Sub(code, hn::VecFromMask(di, above));
      }
      const auto negative =
          hn::And(hn::RebindMask(di, hn::Lt(value, hn::Zero(d))), hn::Gt(code, hn::Zero(di)));
      code = hn::IfThenElse(negative, hn::Add(code, hn::Set(di, 8)), code);
      store_codes(code, codes + i);
    }
    pack(codes, block.qs);
    std::memcpy(to, &block, sizeof(block));
  }
}

void encode_table(DType type, std::span<const float> row, std::span<const float> importance,
                  std::byte* out) {
  if (type == DType::MXFP4) return encode_mxfp4(row, out);
  encode_iq4(type, row, importance, out);
}

}  // namespace
}  // namespace stkit::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace stkit::kernels {

HWY_EXPORT(encode_table);

void encode_table(DType type, std::span<const float> row, std::span<const float> importance,
                  std::byte* out) {
  HWY_DYNAMIC_DISPATCH(encode_table)(type, row, importance, out);
}

}  // namespace stkit::kernels
#endif  // HWY_ONCE
