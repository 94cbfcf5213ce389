// The bytes of GGML's quantized blocks. `h` fields are IEEE halves; all is little-endian.
// A block stands for 32 or 256 consecutive elements of a row; e is an element's index in it.
#pragma once

#include <array>
#include <cstdint>

namespace stkit::kernels {

inline constexpr int kSuperBlock = 256;

// 32 elements. Byte j of qs: element j in the low nibble, element j + 16 in the high one.
struct BlockQ4_0 {  // d * (q - 8)
  uint16_t d;
  uint8_t qs[16];
};
struct BlockQ4_1 {  // d * q + m
  uint16_t d, m;
  uint8_t qs[16];
};
struct BlockQ5_0 {  // d * (q - 16); bit e of qh is the fifth bit of q
  uint16_t d;
  uint8_t qh[4];
  uint8_t qs[16];
};
struct BlockQ5_1 {  // d * q + m
  uint16_t d, m;
  uint8_t qh[4];
  uint8_t qs[16];
};
struct BlockQ8_0 {  // d * q
  uint16_t d;
  int8_t qs[32];
};
struct BlockIq4Nl {  // d * kIq4Values[q]
  uint16_t d;
  uint8_t qs[16];
};
struct BlockMxfp4 {  // 2^(e - 128) * kMxfp4Values[q]
  uint8_t e;
  uint8_t qs[16];
};

// 256 elements in 16 sub-blocks of 16. The 2-bit fields of qs: half e/128, then element e%32 of
// byte 32 * half + e%32, at bits 2 * (e%128 / 32).
struct BlockQ2K {  // d * sc * q - dmin * mn; scales[j]: sc in the low nibble, mn in the high one
  uint8_t scales[16];
  uint8_t qs[64];
  uint16_t d, dmin;
};
struct BlockQ3K {  // d * (sc - 32) * (q - (hbit ? 0 : 4)); bit e/32 of hmask[e%32]
  uint8_t hmask[32];
  uint8_t qs[64];
  uint8_t scales[12];  // sixteen 6-bit scales, see unpack in block_reference.cc
  uint16_t d;
};

// 256 elements in 8 sub-blocks of 32. qs: byte 32 * (e/64) + e%32, low nibble for e%64 < 32.
struct BlockQ4K {  // d * sc * q - dmin * mn
  uint16_t d, dmin;
  uint8_t scales[12];  // eight pairs of 6 bits
  uint8_t qs[128];
};
struct BlockQ5K {  // the same; bit e/32 of qh[e%32] is the fifth bit of q
  uint16_t d, dmin;
  uint8_t scales[12];
  uint8_t qh[32];
  uint8_t qs[128];
};
struct BlockQ6K {  // d * scales[e/16] * (q - 32)
  uint8_t ql[128];
  uint8_t qh[64];
  int8_t scales[16];
  uint16_t d;
};
struct BlockIq4Xs {  // d * (ls - 32) * kIq4Values[q], ls of 6 bits for each 32 elements
  uint16_t d;
  uint16_t scales_h;
  uint8_t scales_l[4];
  uint8_t qs[128];
};

static_assert(sizeof(BlockQ4_0) == 18 && sizeof(BlockQ4_1) == 20 && sizeof(BlockQ5_0) == 22 &&
              sizeof(BlockQ5_1) == 24 && sizeof(BlockQ8_0) == 34 && sizeof(BlockIq4Nl) == 18 &&
              sizeof(BlockMxfp4) == 17 && sizeof(BlockQ2K) == 84 && sizeof(BlockQ3K) == 110 &&
              sizeof(BlockQ4K) == 144 && sizeof(BlockQ5K) == 176 && sizeof(BlockQ6K) == 210 &&
              sizeof(BlockIq4Xs) == 136);

inline constexpr std::array<int8_t, 16> kIq4Values = {-127, -104, -83, -65, -49, -35, -22, -10,
                                                      1,    13,   25,  38,  53,  69,  89,  113};
// E2M1 doubled, so that the values are whole numbers.
inline constexpr std::array<int8_t, 16> kMxfp4Values = {0, 1,  2,  3,  4,  6,  8,  12,
                                                        0, -1, -2, -3, -4, -6, -8, -12};

}  // namespace stkit::kernels
