#include <cmath>
#include <cstring>

#include "base/check.h"
#include "kernels/block_layout.h"
#include "kernels/block_packing.h"
#include "kernels/block_reference.h"
#include "kernels/half.h"

namespace stkit::kernels::reference {
namespace {

// Operations in ggml's order: the scale of the sub-block first, then its code, then the minimum.

int nibble(std::span<const uint8_t, 16> qs, size_t e) {
  return e < 16 ? qs[e] & 15 : qs[e - 16] >> 4;
}

int fifth_bit(std::span<const uint8_t, 4> qh, size_t e) { return (qh[e / 8] >> e % 8 & 1) << 4; }

float value_of(const BlockQ4_0& b, size_t e) {
  return from_f16(b.d) * static_cast<float>(nibble(b.qs, e) - 8);
}
float value_of(const BlockQ4_1& b, size_t e) {
  return from_f16(b.d) * static_cast<float>(nibble(b.qs, e)) + from_f16(b.m);
}
float value_of(const BlockQ5_0& b, size_t e) {
  return from_f16(b.d) * static_cast<float>((nibble(b.qs, e) | fifth_bit(b.qh, e)) - 16);
}
float value_of(const BlockQ5_1& b, size_t e) {
  return from_f16(b.d) * static_cast<float>(nibble(b.qs, e) | fifth_bit(b.qh, e)) + from_f16(b.m);
}
float value_of(const BlockQ8_0& b, size_t e) { return from_f16(b.d) * static_cast<float>(b.qs[e]); }
float value_of(const BlockIq4Nl& b, size_t e) {
  return from_f16(b.d) * static_cast<float>(kIq4Values[static_cast<size_t>(nibble(b.qs, e))]);
}
float value_of(const BlockMxfp4& b, size_t e) {
  return std::ldexp(static_cast<float>(kMxfp4Values[static_cast<size_t>(nibble(b.qs, e))]),
                    b.e - 128);
}
float value_of(const BlockQ2K& b, size_t e) {
  const uint8_t pair = b.scales[e / 16];
  const float scale = from_f16(b.d) * static_cast<float>(pair & 15);
  const float min = from_f16(b.dmin) * static_cast<float>(pair >> 4);
  return scale * static_cast<float>(unpack_2_bit(b.qs, e)) - min;
}
float value_of(const BlockQ3K& b, size_t e) {
  const float scale =
      from_f16(b.d) * static_cast<float>(unpack_6_bit_scales(b.scales)[e / 16] - 32);
  return scale * static_cast<float>(unpack_2_bit(b.qs, e) - (unpack_1_bit(b.hmask, e) ? 0 : 4));
}
template <class Block>
float with_min(const Block& b, size_t e, int code) {
  const ScalesAndMins pairs = unpack_6_bit_pairs(b.scales);
  const float scale = from_f16(b.d) * static_cast<float>(pairs.scales[e / 32]);
  const float min = from_f16(b.dmin) * static_cast<float>(pairs.mins[e / 32]);
  return scale * static_cast<float>(code) - min;
}
float value_of(const BlockQ4K& b, size_t e) { return with_min(b, e, unpack_4_bit(b.qs, e)); }
float value_of(const BlockQ5K& b, size_t e) {
  return with_min(b, e, unpack_4_bit(b.qs, e) | (unpack_1_bit(b.qh, e) ? 16 : 0));
}
float value_of(const BlockQ6K& b, size_t e) {
  const int8_t sub_scale = b.scales[e / 16];
  const float scale = from_f16(b.d) * static_cast<float>(sub_scale);
  return scale * static_cast<float>(unpack_6_bit(b.ql, b.qh, e) - 32);
}
float value_of(const BlockIq4Xs& b, size_t e) {
  const size_t group = e / 32;
  const int low = group % 2 == 0 ? b.scales_l[group / 2] & 15 : b.scales_l[group / 2] >> 4;
  const float scale =
      from_f16(b.d) * static_cast<float>((low | (b.scales_h >> 2 * group & 3) << 4) - 32);
  const auto code = nibble(std::span<const uint8_t, 16>(b.qs + 16 * group, 16), e % 32);
  return scale * static_cast<float>(kIq4Values[static_cast<size_t>(code)]);
}

template <class Block>
void decode(DType type, std::span<const std::byte> blocks, std::span<float> out) {
  const size_t n = info(type).block_elements;
  for (size_t i = 0; i < out.size() / n; ++i) {
    Block block;
    std::memcpy(&block, blocks.data() + i * sizeof(Block), sizeof(Block));
    for (size_t e = 0; e < n; ++e) out[i * n + e] = value_of(block, e);
  }
}

}  // namespace

void decode_blocks(DType type, std::span<const std::byte> blocks, std::span<float> out) {
  STKIT_CHECK(info(type).kind == DTypeKind::GgmlBlock);
  STKIT_CHECK(out.size() % info(type).block_elements == 0);
  STKIT_CHECK(out.size() / info(type).block_elements * info(type).block_bytes == blocks.size());
  switch (type) {
    case DType::Q4_0: return decode<BlockQ4_0>(type, blocks, out);
    case DType::Q4_1: return decode<BlockQ4_1>(type, blocks, out);
    case DType::Q5_0: return decode<BlockQ5_0>(type, blocks, out);
    case DType::Q5_1: return decode<BlockQ5_1>(type, blocks, out);
    case DType::Q8_0: return decode<BlockQ8_0>(type, blocks, out);
    case DType::Q2_K: return decode<BlockQ2K>(type, blocks, out);
    case DType::Q3_K: return decode<BlockQ3K>(type, blocks, out);
    case DType::Q4_K: return decode<BlockQ4K>(type, blocks, out);
    case DType::Q5_K: return decode<BlockQ5K>(type, blocks, out);
    case DType::Q6_K: return decode<BlockQ6K>(type, blocks, out);
    case DType::IQ4_NL: return decode<BlockIq4Nl>(type, blocks, out);
    case DType::IQ4_XS: return decode<BlockIq4Xs>(type, blocks, out);
    case DType::MXFP4: return decode<BlockMxfp4>(type, blocks, out);
    default: STKIT_CHECK(false && "a GGML block type without a decoder");
  }
}

}  // namespace stkit::kernels::reference
