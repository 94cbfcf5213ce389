#include "kernels/decode.h"

#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "base/check.h"
#include "kernels/block_layout.h"
#include "kernels/block_packing.h"
#include "kernels/half.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/decode.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace stkit::kernels::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

// Scales belong to 16 elements at least, so a vector never spans two of them.
constexpr size_t kMostLanes = 16;
using D = hn::CappedTag<float, kMostLanes>;
using DI = hn::Rebind<int32_t, D>;
using V = hn::Vec<D>;

// --- values from codes, in the reference's order of operations ----------------------------------

template <class Code>
HWY_INLINE V code_values(const Code* codes, int shift) {
  const DI di;
  const auto wide = hn::PromoteTo(di, hn::LoadU(hn::Rebind<Code, D>(), codes));
  return hn::ConvertTo(D(), hn::Sub(wide, hn::Set(di, shift)));
}

// scale * (code - shift)
template <class Code>
HWY_INLINE void scale_codes(const Code* codes, size_t count, int shift, float scale, float* out) {
  const D d;
  for (size_t i = 0; i < count; i += hn::Lanes(d))
    hn::StoreU(hn::Mul(hn::Set(d, scale), code_values(codes + i, shift)), d, out + i);
}

// scale * code - min
HWY_INLINE void scale_codes_above(const uint8_t* codes, size_t count, float scale, float min,
                                  float* out) {
  const D d;
  for (size_t i = 0; i < count; i += hn::Lanes(d)) {
    const V scaled = hn::Mul(hn::Set(d, scale), code_values(codes + i, 0));
    hn::StoreU(hn::Sub(scaled, hn::Set(d, min)), d, out + i);
  }
}

// --- codes from blocks
// ----------------------------------------------------------------------------

using Codes32 = std::array<uint8_t, 32>;
using Codes256 = std::array<uint8_t, kSuperBlock>;

Codes32 nibbles_of(const uint8_t* qs) {
  Codes32 codes;
  for (size_t j = 0; j < 16; ++j) {
    codes[j] = qs[j] & 15;
    codes[j + 16] = static_cast<uint8_t>(qs[j] >> 4);
  }
  return codes;
}

Codes32 five_bits_of(const uint8_t* qs, const uint8_t* qh) {
  Codes32 codes = nibbles_of(qs);
  uint32_t high;
  std::memcpy(&high, qh, sizeof(high));
  for (uint32_t e = 0; e < 32; ++e)
    codes[e] = static_cast<uint8_t>(codes[e] | (high >> e & 1) << 4);
  return codes;
}

// Groups of 32 codes that share bytes, by bits of them.
Codes256 two_bits_of(const uint8_t* qs) {
  Codes256 codes;
  for (size_t half = 0; half < 2; ++half)
    for (size_t group = 0; group < 4; ++group)
      for (size_t l = 0; l < 32; ++l)
        codes[128 * half + 32 * group + l] = qs[32 * half + l] >> 2 * group & 3;
  return codes;
}

Codes256 four_bits_of(const uint8_t* qs) {
  Codes256 codes;
  for (size_t pair = 0; pair < 4; ++pair)
    for (size_t l = 0; l < 32; ++l) {
      codes[64 * pair + l] = qs[32 * pair + l] & 15;
      codes[64 * pair + 32 + l] = static_cast<uint8_t>(qs[32 * pair + l] >> 4);
    }
  return codes;
}

// Bit e/32 of byte e%32 becomes `bit` of code e.
void add_high_bits(const uint8_t* bits, uint8_t bit, Codes256& codes) {
  for (size_t group = 0; group < 8; ++group)
    for (size_t l = 0; l < 32; ++l) {
      const bool set = (bits[l] >> group & 1) != 0;
      codes[32 * group + l] = static_cast<uint8_t>(codes[32 * group + l] | (set ? bit : 0));
    }
}

Codes256 six_bits_of(const uint8_t* ql, const uint8_t* qh) {
  Codes256 codes;
  for (size_t half = 0; half < 2; ++half)
    for (size_t l = 0; l < 32; ++l) {
      const uint8_t a = ql[64 * half + l], b = ql[64 * half + 32 + l], high = qh[32 * half + l];
      uint8_t* const to = codes.data() + 128 * half + l;
      to[0] = static_cast<uint8_t>((a & 15) | (high & 3) << 4);
      to[32] = static_cast<uint8_t>((b & 15) | (high >> 2 & 3) << 4);
      to[64] = static_cast<uint8_t>(a >> 4 | (high >> 4 & 3) << 4);
      to[96] = static_cast<uint8_t>(b >> 4 | (high >> 6) << 4);
    }
  return codes;
}

std::array<int8_t, 32> look_up(const std::array<int8_t, 16>& table, const uint8_t* qs) {
  const Codes32 codes = nibbles_of(qs);
  std::array<int8_t, 32> values;
  for (size_t i = 0; i < 32; ++i) values[i] = table[codes[i]];
  return values;
}

// --- blocks
// -----------------------------------------------------------------------------------------

void decode(const BlockQ4_0& b, float* out) {
  scale_codes(nibbles_of(b.qs).data(), 32, 8, from_f16(b.d), out);
}
void decode(const BlockQ4_1& b, float* out) {
  scale_codes_above(nibbles_of(b.qs).data(), 32, from_f16(b.d), -from_f16(b.m), out);
}
void decode(const BlockQ5_0& b, float* out) {
  scale_codes(five_bits_of(b.qs, b.qh).data(), 32, 16, from_f16(b.d), out);
}
void decode(const BlockQ5_1& b, float* out) {
  scale_codes_above(five_bits_of(b.qs, b.qh).data(), 32, from_f16(b.d), -from_f16(b.m), out);
}
void decode(const BlockQ8_0& b, float* out) { scale_codes(b.qs, 32, 0, from_f16(b.d), out); }
void decode(const BlockIq4Nl& b, float* out) {
  scale_codes(look_up(kIq4Values, b.qs).data(), 32, 0, from_f16(b.d), out);
}
void decode(const BlockMxfp4& b, float* out) {
  scale_codes(look_up(kMxfp4Values, b.qs).data(), 32, 0, std::ldexp(1.0f, b.e - 128), out);
}
void decode(const BlockQ2K& b, float* out) {
  const Codes256 codes = two_bits_of(b.qs);
  const float d = from_f16(b.d), dmin = from_f16(b.dmin);
  for (size_t j = 0; j < 16; ++j)
    scale_codes_above(codes.data() + 16 * j, 16, d * static_cast<float>(b.scales[j] & 15),
                      dmin * static_cast<float>(b.scales[j] >> 4), out + 16 * j);
}
void decode(const BlockQ3K& b, float* out) {
  Codes256 codes = two_bits_of(b.qs);
  add_high_bits(b.hmask, 4, codes);
  const auto scales = unpack_6_bit_scales(b.scales);
  const float d = from_f16(b.d);
  for (size_t j = 0; j < 16; ++j)
    scale_codes(codes.data() + 16 * j, 16, 4, d * static_cast<float>(scales[j] - 32), out + 16 * j);
}
template <class Block>
void decode_pairs(const Block& b, const Codes256& codes, float* out) {
  const ScalesAndMins pairs = unpack_6_bit_pairs(b.scales);
  const float d = from_f16(b.d), dmin = from_f16(b.dmin);
  for (size_t j = 0; j < 8; ++j)
    scale_codes_above(codes.data() + 32 * j, 32, d * static_cast<float>(pairs.scales[j]),
                      dmin * static_cast<float>(pairs.mins[j]), out + 32 * j);
}
void decode(const BlockQ4K& b, float* out) { decode_pairs(b, four_bits_of(b.qs), out); }
void decode(const BlockQ5K& b, float* out) {
  Codes256 codes = four_bits_of(b.qs);
  add_high_bits(b.qh, 16, codes);
  decode_pairs(b, codes, out);
}
void decode(const BlockQ6K& b, float* out) {
  const Codes256 codes = six_bits_of(b.ql, b.qh);
  const float d = from_f16(b.d);
  for (size_t j = 0; j < 16; ++j)
    scale_codes(codes.data() + 16 * j, 16, 32, d * static_cast<float>(b.scales[j]), out + 16 * j);
}
void decode(const BlockIq4Xs& b, float* out) {
  const float d = from_f16(b.d);
  for (size_t j = 0; j < 8; ++j) {
    const int low = b.scales_l[j / 2] >> 4 * (j % 2) & 15;
    const float scale = d * static_cast<float>((low | (b.scales_h >> 2 * j & 3) << 4) - 32);
    scale_codes(look_up(kIq4Values, b.qs + 16 * j).data(), 32, 0, scale, out + 32 * j);
  }
}

template <class Block>
void decode_each(std::span<const std::byte> blocks, float* out) {
  const size_t elements = sizeof(Block) < sizeof(BlockQ2K) ? 32 : kSuperBlock;
  for (size_t i = 0; i * sizeof(Block) < blocks.size(); ++i) {
    Block block;
    std::memcpy(&block, blocks.data() + i * sizeof(Block), sizeof(Block));
    decode(block, out + i * elements);
  }
}

void decode_blocks(DType type, std::span<const std::byte> blocks, float* out) {
  switch (type) {
    case DType::Q4_0: return decode_each<BlockQ4_0>(blocks, out);
    case DType::Q4_1: return decode_each<BlockQ4_1>(blocks, out);
    case DType::Q5_0: return decode_each<BlockQ5_0>(blocks, out);
    case DType::Q5_1: return decode_each<BlockQ5_1>(blocks, out);
    case DType::Q8_0: return decode_each<BlockQ8_0>(blocks, out);
    case DType::Q2_K: return decode_each<BlockQ2K>(blocks, out);
    case DType::Q3_K: return decode_each<BlockQ3K>(blocks, out);
    case DType::Q4_K: return decode_each<BlockQ4K>(blocks, out);
    case DType::Q5_K: return decode_each<BlockQ5K>(blocks, out);
    case DType::Q6_K: return decode_each<BlockQ6K>(blocks, out);
    case DType::IQ4_NL: return decode_each<BlockIq4Nl>(blocks, out);
    case DType::IQ4_XS: return decode_each<BlockIq4Xs>(blocks, out);
    case DType::MXFP4: return decode_each<BlockMxfp4>(blocks, out);
    default: STKIT_CHECK(false && "a GGML block type without a decoder");
  }
}

}  // namespace
}  // namespace stkit::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace stkit::kernels {

HWY_EXPORT(decode_blocks);

bool is_decoded(DType type) { return type >= DType::Q4_0 && type <= DType::MXFP4; }

void decode_blocks(DType type, std::span<const std::byte> blocks, std::span<float> out) {
  const DTypeInfo& row = info(type);
  STKIT_CHECK(row.kind == DTypeKind::GgmlBlock && out.size() % row.block_elements == 0);
  STKIT_CHECK(out.size() / row.block_elements * row.block_bytes == blocks.size());
  HWY_DYNAMIC_DISPATCH(decode_blocks)(type, blocks, out.data());
}

}  // namespace stkit::kernels
#endif  // HWY_ONCE
