// Where codes and scales of the super-blocks lie, for encoder and decoder alike.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "kernels/block_layout.h"

namespace stkit::kernels {

// Q4_K and Q5_K: eight scales and eight mins of 6 bits. The first four lie plainly in bytes 0-3
// and 4-7; of the last four the low nibbles share bytes 8-11, and the top two bits sit on top of
// the first eight bytes.
struct ScalesAndMins {
  std::array<uint8_t, 8> scales;
  std::array<uint8_t, 8> mins;
};

inline void pack_6_bit_pairs(const ScalesAndMins& in, std::span<uint8_t, 12> out) {
  for (size_t j = 0; j < 4; ++j) {
    const auto upper_scale = static_cast<uint8_t>(in.scales[j + 4] >> 4 << 6);
    const auto upper_min = static_cast<uint8_t>(in.mins[j + 4] >> 4 << 6);
    out[j] = static_cast<uint8_t>(in.scales[j] | upper_scale);
    out[j + 4] = static_cast<uint8_t>(in.mins[j] | upper_min);
    out[j + 8] = static_cast<uint8_t>((in.scales[j + 4] & 15) | (in.mins[j + 4] & 15) << 4);
  }
}

inline ScalesAndMins unpack_6_bit_pairs(std::span<const uint8_t, 12> in) {
  ScalesAndMins out;
  for (size_t j = 0; j < 4; ++j) {
    out.scales[j] = in[j] & 63;
    out.mins[j] = in[j + 4] & 63;
    out.scales[j + 4] = static_cast<uint8_t>((in[j + 8] & 15) | in[j] >> 6 << 4);
    out.mins[j + 4] = static_cast<uint8_t>(in[j + 8] >> 4 | in[j + 4] >> 6 << 4);
  }
  return out;
}

// Q3_K: sixteen scales of 6 bits. Low nibbles in bytes 0-7 (scales 0-7 low, 8-15 high), top two
// bits of scale j in byte 8 + j % 4 at bit 2 * (j / 4).
inline void pack_6_bit_scales(const std::array<uint8_t, 16>& in, std::span<uint8_t, 12> out) {
  for (uint8_t& byte : out) byte = 0;
  for (size_t j = 0; j < 16; ++j) {
    const int low = in[j] & 15;
    out[j % 8] = static_cast<uint8_t>(out[j % 8] | (j < 8 ? low : low << 4));
    out[8 + j % 4] = static_cast<uint8_t>(out[8 + j % 4] | in[j] >> 4 << 2 * (j / 4));
  }
}

inline std::array<uint8_t, 16> unpack_6_bit_scales(std::span<const uint8_t, 12> in) {
  std::array<uint8_t, 16> out;
  for (size_t j = 0; j < 16; ++j) {
    const int low = j < 8 ? in[j] & 15 : in[j - 8] >> 4;
    out[j] = static_cast<uint8_t>(low | (in[8 + j % 4] >> 2 * (j / 4) & 3) << 4);
  }
  return out;
}

using SuperBlockCodes = std::array<uint8_t, kSuperBlock>;

// Two bits each: see BlockQ2K.
inline void pack_2_bit(const SuperBlockCodes& codes, std::span<uint8_t, 64> out) {
  for (size_t half = 0; half < 2; ++half) {
    const uint8_t* const c = codes.data() + 128 * half;
    for (size_t l = 0; l < 32; ++l)
      out[32 * half + l] =
          static_cast<uint8_t>(c[l] | c[l + 32] << 2 | c[l + 64] << 4 | c[l + 96] << 6);
  }
}

inline uint8_t unpack_2_bit(std::span<const uint8_t, 64> in, size_t e) {
  return in[32 * (e / 128) + e % 32] >> 2 * (e % 128 / 32) & 3;
}

// Low nibbles: see BlockQ4K.
inline void pack_4_bit(const SuperBlockCodes& codes, std::span<uint8_t, 128> out) {
  for (size_t pair = 0; pair < 4; ++pair) {
    const uint8_t* const c = codes.data() + 64 * pair;
    for (size_t l = 0; l < 32; ++l)
      out[32 * pair + l] = static_cast<uint8_t>((c[l] & 15) | (c[l + 32] & 15) << 4);
  }
}

inline uint8_t unpack_4_bit(std::span<const uint8_t, 128> in, size_t e) {
  const uint8_t byte = in[32 * (e / 64) + e % 32];
  return e % 64 < 32 ? byte & 15 : byte >> 4;
}

// Bit e/32 of byte e%32: the fifth bits of Q5_K, the third of Q3_K.
inline void pack_1_bit(const SuperBlockCodes& codes, uint8_t bit, std::span<uint8_t, 32> out) {
  for (size_t l = 0; l < 32; ++l) {
    int byte = 0;
    for (size_t group = 0; group < 8; ++group)
      byte |= (codes[32 * group + l] & bit) != 0 ? 1 << group : 0;
    out[l] = static_cast<uint8_t>(byte);
  }
}

inline bool unpack_1_bit(std::span<const uint8_t, 32> in, size_t e) {
  return (in[e % 32] >> e / 32 & 1) != 0;
}

// Q6_K: low nibbles of the groups 0 and 2 (1 and 3) of a half share bytes l (l + 32).
inline void pack_6_bit(const SuperBlockCodes& codes, std::span<uint8_t, 128> low,
                       std::span<uint8_t, 64> high) {
  for (size_t half = 0; half < 2; ++half) {
    const uint8_t* const c = codes.data() + 128 * half;
    for (size_t l = 0; l < 32; ++l) {
      low[64 * half + l] = static_cast<uint8_t>((c[l] & 15) | (c[l + 64] & 15) << 4);
      low[64 * half + l + 32] = static_cast<uint8_t>((c[l + 32] & 15) | (c[l + 96] & 15) << 4);
      high[32 * half + l] = static_cast<uint8_t>(c[l] >> 4 | c[l + 32] >> 4 << 2 |
                                                 c[l + 64] >> 4 << 4 | c[l + 96] >> 4 << 6);
    }
  }
}

inline uint8_t unpack_6_bit(std::span<const uint8_t, 128> low, std::span<const uint8_t, 64> high,
                            size_t e) {
  const size_t half = e / 128, group = e % 128 / 32, l = e % 32;
  const uint8_t byte = low[64 * half + l + (group % 2 == 1 ? 32 : 0)];
  const int nibble = group < 2 ? byte & 15 : byte >> 4;
  return static_cast<uint8_t>(nibble | (high[32 * half + l] >> 2 * group & 3) << 4);
}

}  // namespace stkit::kernels
