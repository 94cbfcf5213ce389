#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/check.h"
#include "kernels/block_fit.h"
#include "kernels/block_layout.h"
#include "kernels/block_packing.h"
#include "kernels/block_reference.h"
#include "kernels/block_scales.h"
#include "kernels/half.h"

namespace stkit::kernels::reference {
namespace {

using Floats = std::span<const float>;

constexpr Grid kImportanceGrid{-0.9f, 0.05f, 36, false};

float sum_of_squares(Floats x) {
  float sum = 0;
  for (const float value : x) sum += value * value;
  return sum;
}

// How far a block's own size weighs in beside the importance of its columns.
void weigh(Floats x, Floats importance, float sigma2, std::span<float> weights) {
  for (size_t i = 0; i < x.size(); ++i)
    weights[i] = importance[i] * std::sqrt(sigma2 + x[i] * x[i]);
}

float inverse_or_zero(float value) { return value != 0 ? 1 / value : 0; }

// --- 32 elements -------------------------------------------------------------------------------

// Byte j holds codes j and j + 16.
void pack_nibbles(std::span<const uint8_t, 32> codes, std::span<uint8_t, 16> out) {
  for (size_t j = 0; j < 16; ++j)
    out[j] = static_cast<uint8_t>((codes[j] & 15) | (codes[j + 16] & 15) << 4);
}

void pack_fifth_bits(std::span<const uint8_t, 32> codes, std::span<uint8_t, 4> out) {
  for (uint8_t& byte : out) byte = 0;
  for (size_t e = 0; e < 32; ++e)
    out[e / 8] = static_cast<uint8_t>(out[e / 8] | (codes[e] >> 4 & 1) << e % 8);
}

float fit_symmetric_32(int levels, Floats x, Floats importance, float row_sigma2,
                       std::span<uint8_t, 32> codes) {
  if (!importance.empty()) {
    float weights[32];
    weigh(x, importance, row_sigma2, weights);
    return fit_symmetric(levels, x, weights, codes);
  }
  const float d = extreme_of(x) / static_cast<float>(-levels);
  const float inverse = inverse_or_zero(d);
  const float half_up = static_cast<float>(levels) + 0.5f;
  for (size_t i = 0; i < 32; ++i) {
    const auto code = static_cast<int8_t>(truncate_to_int(x[i] * inverse + half_up));
    codes[i] = static_cast<uint8_t>(std::min<int>(2 * levels - 1, code));
  }
  return d;
}

ScaleAndMin fit_with_min_32(int max_code, Floats x, Floats importance, float row_sigma2,
                            std::span<uint8_t, 32> codes) {
  if (!importance.empty()) {
    float weights[32];
    weigh(x, importance, row_sigma2, weights);
    const ScaleAndMin fit = fit_with_min(max_code, x, weights, kImportanceGrid, codes);
    return {fit.scale, -fit.min};
  }
  float low = std::numeric_limits<float>::max(), high = -low;
  for (const float value : x) {
    low = value < low ? value : low;
    high = value > high ? value : high;
  }
  const float d = (high - low) / static_cast<float>(max_code);
  const float inverse = inverse_or_zero(d);
  for (size_t i = 0; i < 32; ++i) {
    const auto code = static_cast<int8_t>(truncate_to_int((x[i] - low) * inverse + 0.5f));
    // ggml limits Q4_1's codes only; Q5_1's cannot pass 31 but for rounding, and lose the bit.
    codes[i] = static_cast<uint8_t>(max_code == 15 ? std::min<int>(15, code) : code);
  }
  return {d, low};
}

void encode(Floats x, Floats importance, float row_sigma2, BlockQ4_0& out) {
  uint8_t codes[32];
  out.d = to_f16(fit_symmetric_32(8, x, importance, row_sigma2, codes));
  pack_nibbles(codes, out.qs);
}

void encode(Floats x, Floats importance, float row_sigma2, BlockQ5_0& out) {
  uint8_t codes[32];
  out.d = to_f16(fit_symmetric_32(16, x, importance, row_sigma2, codes));
  pack_nibbles(codes, out.qs);
  pack_fifth_bits(codes, out.qh);
}

void encode(Floats x, Floats importance, float row_sigma2, BlockQ4_1& out) {
  uint8_t codes[32];
  const ScaleAndMin fit = fit_with_min_32(15, x, importance, row_sigma2, codes);
  out.d = to_f16(fit.scale);
  out.m = to_f16(fit.min);
  pack_nibbles(codes, out.qs);
}

void encode(Floats x, Floats importance, float row_sigma2, BlockQ5_1& out) {
  uint8_t codes[32];
  const ScaleAndMin fit = fit_with_min_32(31, x, importance, row_sigma2, codes);
  out.d = to_f16(fit.scale);
  out.m = to_f16(fit.min);
  pack_nibbles(codes, out.qs);
  pack_fifth_bits(codes, out.qh);
}

void encode(Floats x, Floats, float, BlockQ8_0& out) {
  float magnitude = 0;
  for (const float value : x) magnitude = std::max(magnitude, std::fabs(value));
  const float d = magnitude / 127;
  const float inverse = inverse_or_zero(d);
  out.d = to_f16(d);
  for (size_t i = 0; i < 32; ++i)
    out.qs[i] = static_cast<int8_t>(truncate_to_int(std::round(x[i] * inverse)));
}

void encode(Floats x, Floats, float, BlockMxfp4& out) {
  float magnitude = 0;
  for (const float value : x) magnitude = std::max(magnitude, std::fabs(value));
  out.e = mxfp4_exponent(magnitude);
  const float scale = std::ldexp(1.0f, out.e - 128);
  uint8_t codes[32];
  for (size_t i = 0; i < 32; ++i) {
    codes[i] = 0;
    float best = std::fabs(0 - x[i]);
    for (uint8_t code = 1; code < 16; ++code) {
      const float error = std::fabs(static_cast<float>(kMxfp4Values[code]) * scale - x[i]);
      if (error < best) {
        best = error;
        codes[i] = code;
      }
    }
  }
  pack_nibbles(codes, out.qs);
}

// --- 256 elements: scale and min ---------------------------------------------------------------

// Codes anew with the scales as they will be read back; where a scale became zero the codes of
// the fit stay.
void recode_with_min(const SuperScales& super, size_t sub_block, int max_code, Floats x,
                     SuperBlockCodes& codes) {
  for (size_t j = 0; j < kSuperBlock / sub_block; ++j) {
    const float scale = from_f16(super.d) * static_cast<float>(super.scales[j]);
    if (scale == 0) continue;
    const float min = from_f16(super.dmin) * static_cast<float>(super.mins[j]);
    for (size_t i = j * sub_block; i < (j + 1) * sub_block; ++i)
      codes[i] = static_cast<uint8_t>(std::clamp(round_to_int((x[i] + min) / scale), 0, max_code));
  }
}

// The common way of Q2_K, Q4_K and Q5_K.
struct MinRecipe {
  size_t sub_block;
  int max_code;
  int max_scale_code;
  Grid grid;           // without importance
  float sigma_factor;  // of the mean square, with importance
};

SuperScales fit_super_block(const MinRecipe& recipe, Floats x, Floats importance,
                            SuperBlockCodes& codes) {
  const size_t n = recipe.sub_block, count = kSuperBlock / n;
  const float sigma2 = recipe.sigma_factor * sum_of_squares(x) / kSuperBlock;
  SubFits fits;
  for (size_t j = 0; j < count; ++j) {
    const Floats block = x.subspan(j * n, n);
    float weights[32];
    if (!importance.empty()) {
      weigh(block, importance.subspan(j * n, n), sigma2, weights);
    } else {
      // Q2_K weighs by size alone, the others add the block's root mean square.
      const float base =
          recipe.grid.absolute_error ? 0 : std::sqrt(sum_of_squares(block) / static_cast<float>(n));
      for (size_t i = 0; i < n; ++i) weights[i] = base + std::fabs(block[i]);
    }
    fits.weight_sums[j] = 0;
    for (size_t i = 0; i < n; ++i) fits.weight_sums[j] += weights[i];
    const ScaleAndMin fit = fit_with_min(recipe.max_code, block, Floats(weights, n),
                                         importance.empty() ? recipe.grid : kImportanceGrid,
                                         std::span(codes).subspan(j * n, n));
    fits.scales[j] = fit.scale;
    fits.mins[j] = fit.min;
  }
  SuperScales super = quantize_scales(recipe.max_scale_code, count, fits, !importance.empty());
  recode_with_min(super, n, recipe.max_code, x, codes);
  return super;
}

constexpr MinRecipe kQ2K{16, 3, 15, {-0.5f, 0.1f, 15, true}, 1.0f};
constexpr MinRecipe kQ4K{32, 15, 63, {-1.0f, 0.1f, 20, false}, 2.0f};
constexpr MinRecipe kQ5K{32, 31, 63, {-0.5f, 0.1f, 15, false}, 2.0f};

void encode(Floats x, Floats importance, float, BlockQ2K& out) {
  SuperBlockCodes codes;
  const SuperScales super = fit_super_block(kQ2K, x, importance, codes);
  out.d = super.d;
  out.dmin = super.dmin;
  for (size_t j = 0; j < 16; ++j)
    out.scales[j] = static_cast<uint8_t>(super.scales[j] | super.mins[j] << 4);
  pack_2_bit(codes, out.qs);
}

template <class Block>
void store_6_bit_pairs(const SuperScales& super, Block& out) {
  out.d = super.d;
  out.dmin = super.dmin;
  ScalesAndMins pairs;
  std::copy_n(super.scales.begin(), 8, pairs.scales.begin());
  std::copy_n(super.mins.begin(), 8, pairs.mins.begin());
  pack_6_bit_pairs(pairs, out.scales);
}

void encode(Floats x, Floats importance, float, BlockQ4K& out) {
  SuperBlockCodes codes;
  store_6_bit_pairs(fit_super_block(kQ4K, x, importance, codes), out);
  pack_4_bit(codes, out.qs);
}

void encode(Floats x, Floats importance, float, BlockQ5K& out) {
  SuperBlockCodes codes;
  store_6_bit_pairs(fit_super_block(kQ5K, x, importance, codes), out);
  pack_4_bit(codes, out.qs);
  pack_1_bit(codes, 16, out.qh);
}

// --- 256 elements: scale only ------------------------------------------------------------------

void recode_symmetric(float scale, int levels, Floats x, std::span<uint8_t> codes) {
  if (scale == 0) return;
  for (size_t i = 0; i < x.size(); ++i)
    codes[i] =
        static_cast<uint8_t>(std::clamp(round_to_int(x[i] / scale), -levels, levels - 1) + levels);
}

void encode(Floats x, Floats importance, float, BlockQ3K& out) {
  SuperBlockCodes codes;
  std::array<float, 16> scales, weight_sums{};
  const float sigma2 = 2 * sum_of_squares(x) / kSuperBlock;
  for (size_t j = 0; j < 16; ++j) {
    const Floats block = x.subspan(16 * j, 16);
    const auto block_codes = std::span(codes).subspan(16 * j, 16);
    if (importance.empty()) {
      scales[j] = fit_symmetric_greedy(4, block, block_codes);
      continue;
    }
    float weights[16];
    weigh(block, importance.subspan(16 * j, 16), sigma2, weights);
    for (const float weight : weights) weight_sums[j] += weight;
    scales[j] = fit_symmetric(4, block, weights, block_codes);
  }

  std::array<uint8_t, 16> scale_codes;
  out.d = quantize_signed_scales(scales, importance.empty() ? Floats() : Floats(weight_sums),
                                 scale_codes);
  pack_6_bit_scales(scale_codes, out.scales);
  for (size_t j = 0; j < 16; ++j) {
    const float scale = from_f16(out.d) * static_cast<float>(scale_codes[j] - 32);
    recode_symmetric(scale, 4, x.subspan(16 * j, 16), std::span(codes).subspan(16 * j, 16));
  }
  pack_1_bit(codes, 4, out.hmask);
  for (uint8_t& code : codes) code &= 3;
  pack_2_bit(codes, out.qs);
}

void encode(Floats x, Floats importance, float, BlockQ6K& out) {
  SuperBlockCodes codes;
  std::array<float, 16> scales;
  for (size_t j = 0; j < 16; ++j)
    scales[j] = fit_symmetric(32, x.subspan(16 * j, 16),
                              importance.empty() ? Floats() : importance.subspan(16 * j, 16),
                              std::span(codes).subspan(16 * j, 16));
  const float extreme = extreme_of(scales);
  if (std::fabs(extreme) < kTiny) {
    out = {};
    return;
  }
  const float inverse = -128.0f / extreme;
  out.d = to_f16(1 / inverse);
  for (size_t j = 0; j < 16; ++j) {
    out.scales[j] = static_cast<int8_t>(std::min(127, round_to_int(inverse * scales[j])));
    recode_symmetric(from_f16(out.d) * static_cast<float>(out.scales[j]), 32, x.subspan(16 * j, 16),
                     std::span(codes).subspan(16 * j, 16));
  }
  pack_6_bit(codes, out.ql, out.qh);
}

// --- IQ4: one table of values, not evenly spaced -----------------------------------------------

// The nearest entry; a tie goes to the upper one.
uint8_t nearest_iq4(float value) {
  const auto at = [](size_t i) { return static_cast<float>(kIq4Values[i]); };
  if (value <= at(0)) return 0;
  if (value >= at(15)) return 15;
  size_t low = 0, high = 15;
  while (high - low > 1) {
    const size_t middle = (low + high) / 2;
    if (value < at(middle))
      high = middle;
    else
      low = middle;
  }
  return static_cast<uint8_t>(value - at(high - 1) < at(high) - value ? high - 1 : high);
}

float fit_iq4(Floats x, Floats weights) {
  const float extreme = extreme_of(x);
  if (std::fabs(extreme) < kTiny) return 0;
  const auto lowest = static_cast<float>(kIq4Values[0]);
  float scale = 0, best = 0;
  const auto attempt = [&](float inverse, bool always) {
    float a = 0, b = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      const auto q = static_cast<float>(kIq4Values[nearest_iq4(inverse * x[i])]);
      a += weights[i] * q * x[i];
      b += weights[i] * q * q;
    }
    if (!always && !(b > 0 && a * a > best * b)) return;
    scale = a / b;
    best = scale * a;
  };
  attempt(1 / (-extreme / lowest), true);
  for (int t = -7; t <= 7; ++t) attempt((static_cast<float>(t) + lowest) / extreme, false);
  return scale;
}

void iq4_weights(Floats x, Floats importance, float sigma2, std::span<float> weights) {
  if (!importance.empty()) return weigh(x, importance, sigma2, weights);
  for (size_t i = 0; i < x.size(); ++i) weights[i] = x[i] * x[i];
}

void iq4_codes(float inverse, Floats x, std::span<uint8_t, 32> codes) {
  for (size_t i = 0; i < 32; ++i) codes[i] = nearest_iq4(inverse * x[i]);
}

void encode(Floats x, Floats importance, float, BlockIq4Nl& out) {
  float weights[32];
  iq4_weights(x, importance, 2 * sum_of_squares(x) / 32, weights);
  const float scale = fit_iq4(x, weights);
  out.d = to_f16(scale);
  uint8_t codes[32];
  iq4_codes(inverse_or_zero(scale), x, codes);
  pack_nibbles(codes, out.qs);
}

void encode(Floats x, Floats importance, float, BlockIq4Xs& out) {
  const float sigma2 = 2 * sum_of_squares(x) / kSuperBlock;
  std::array<float, 8> scales;
  for (size_t b = 0; b < 8; ++b) {
    float weights[32];
    const Floats block = x.subspan(32 * b, 32);
    iq4_weights(block, importance.empty() ? Floats() : importance.subspan(32 * b, 32), sigma2,
                weights);
    scales[b] = fit_iq4(block, weights);
  }
  const float d = -extreme_of(scales) / 32;
  const float inverse = inverse_or_zero(d);
  out = {};
  out.d = to_f16(d);
  for (size_t b = 0; b < 8; ++b) {
    const int l = std::clamp(round_to_int(inverse * scales[b]), -32, 31);
    uint8_t codes[32];
    // With the float scale, not with the half that will be read back.
    iq4_codes(inverse_or_zero(d * static_cast<float>(l)), x.subspan(32 * b, 32), codes);
    pack_nibbles(codes, std::span<uint8_t, 16>(out.qs + 16 * b, 16));
    const int stored = l + 32;
    out.scales_l[b / 2] = static_cast<uint8_t>(out.scales_l[b / 2] | (stored & 15) << 4 * (b % 2));
    out.scales_h = static_cast<uint16_t>(out.scales_h | (stored >> 4) << 2 * b);
  }
}

// --- Rows --------------------------------------------------------------------------------------

template <class Block>
void encode_blocks(DType type, Floats row, Floats importance, std::span<std::byte> out) {
  const size_t n = info(type).block_elements;
  // The 32-element types weigh against the mean square of the whole row.
  const float row_sigma2 =
      importance.empty() ? 0 : sum_of_squares(row) / static_cast<float>(row.size());
  for (size_t b = 0; b < row.size() / n; ++b) {
    Block block;
    encode(row.subspan(b * n, n), importance.empty() ? Floats() : importance.subspan(b * n, n),
           row_sigma2, block);
    std::memcpy(out.data() + b * sizeof(Block), &block, sizeof(Block));
  }
}

}  // namespace

uint8_t mxfp4_exponent(float magnitude) {
  return magnitude > 0 ? static_cast<uint8_t>(std::floor(std::log2(magnitude)) - 2 + 127) : 0;
}

void encode_row(DType type, std::span<const float> row, std::span<const float> importance,
                std::span<std::byte> out) {
  STKIT_CHECK(info(type).kind == DTypeKind::GgmlBlock);
  STKIT_CHECK(row.size() % info(type).block_elements == 0);
  STKIT_CHECK(row.size() / info(type).block_elements * info(type).block_bytes == out.size());
  STKIT_CHECK(importance.empty() || importance.size() == row.size());
  switch (type) {
    case DType::Q4_0: return encode_blocks<BlockQ4_0>(type, row, importance, out);
    case DType::Q4_1: return encode_blocks<BlockQ4_1>(type, row, importance, out);
    case DType::Q5_0: return encode_blocks<BlockQ5_0>(type, row, importance, out);
    case DType::Q5_1: return encode_blocks<BlockQ5_1>(type, row, importance, out);
    case DType::Q8_0: return encode_blocks<BlockQ8_0>(type, row, importance, out);
    case DType::Q2_K: return encode_blocks<BlockQ2K>(type, row, importance, out);
    case DType::Q3_K: return encode_blocks<BlockQ3K>(type, row, importance, out);
    case DType::Q4_K: return encode_blocks<BlockQ4K>(type, row, importance, out);
    case DType::Q5_K: return encode_blocks<BlockQ5K>(type, row, importance, out);
    case DType::Q6_K: return encode_blocks<BlockQ6K>(type, row, importance, out);
    case DType::IQ4_NL: return encode_blocks<BlockIq4Nl>(type, row, importance, out);
    case DType::IQ4_XS: return encode_blocks<BlockIq4Xs>(type, row, importance, out);
    case DType::MXFP4: return encode_blocks<BlockMxfp4>(type, row, importance, out);
    default: STKIT_CHECK(false && "a GGML block type without an encoder");
  }
}

}  // namespace stkit::kernels::reference
