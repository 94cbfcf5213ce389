// Floats of 8 bits and fewer, as tables of their values.
//
//   dtype         s eeeee mmm   bias  largest  what stands for no finite number
//   F8_E5M2       1   5    2     15    57344   exponent 31: infinity (mantissa 0) or NaN
//   F8_E4M3       1   4    3      7      448   0x7F and 0xFF are NaN
//   F8_E4M3FNUZ   1   4    3      8      240   0x80 is NaN; so there is no negative zero
//   F8_E5M2FNUZ   1   5    2     16    57344   0x80 is NaN
//   F8_E8M0       -   8    -    127   2^127    0xFF is NaN; a scale: 2^(e-127), never zero
//   F6_E2M3       1   2    3      1      7.5   none
//   F6_E3M2       1   3    2      3       28   none
//   F4            1   2    1      1        6   none
//
// Sources: OCP "8-bit floating point" (OFP8) and "Microscaling formats (MX)"; the FNUZ pair is
// Graphcore's and AMD's.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "stkit/dtype.h"

namespace stkit::kernels {

using CodeValues = std::array<float, 256>;

namespace minifloat {

enum class Specials : uint8_t { None, Ieee, AllOnesNan, NegativeZeroNan };

struct Layout {
  int exponent_bits, mantissa_bits, bias;
  Specials specials;
};

constexpr float power_of_two(int exponent) {
  float value = 1;
  for (; exponent > 0; --exponent) value *= 2;
  for (; exponent < 0; ++exponent) value /= 2;
  return value;
}

constexpr float decode(Layout layout, unsigned code) {
  const unsigned sign_bit = 1u << (layout.exponent_bits + layout.mantissa_bits);
  const unsigned magnitude = code & (sign_bit - 1);
  const unsigned mantissa = magnitude & ((1u << layout.mantissa_bits) - 1);
  const unsigned exponent = magnitude >> layout.mantissa_bits;
  const unsigned largest_exponent = (1u << layout.exponent_bits) - 1;
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  const float sign = (code & sign_bit) != 0 ? -1.0f : 1.0f;

  if (layout.specials == Specials::AllOnesNan && magnitude == sign_bit - 1) return kNan;
  if (layout.specials == Specials::NegativeZeroNan && code == sign_bit) return kNan;
  if (layout.specials == Specials::Ieee && exponent == largest_exponent)
    return mantissa != 0 ? kNan : sign * std::numeric_limits<float>::infinity();

  const unsigned implicit_bit = exponent == 0 ? 0 : 1u << layout.mantissa_bits;
  const int scale = static_cast<int>(exponent == 0 ? 1 : exponent) - layout.bias;
  return sign * static_cast<float>(implicit_bit + mantissa) *
         power_of_two(scale - layout.mantissa_bits);
}

// Codes of fewer than 8 bits repeat.
constexpr CodeValues values_of(Layout layout) {
  const unsigned codes = 2u << (layout.exponent_bits + layout.mantissa_bits);
  CodeValues values{};
  for (unsigned code = 0; code < values.size(); ++code) values[code] = decode(layout, code % codes);
  return values;
}

constexpr CodeValues scales() {
  CodeValues values{};
  for (int code = 0; code < 255; ++code)
    values[static_cast<size_t>(code)] = power_of_two(code - 127);
  values[255] = std::numeric_limits<float>::quiet_NaN();
  return values;
}

template <class Value>
constexpr CodeValues each_code(Value value) {
  CodeValues values{};
  for (unsigned code = 0; code < values.size(); ++code) values[code] = value(code);
  return values;
}

inline constexpr CodeValues kBool =
    each_code([](unsigned code) { return code != 0 ? 1.0f : 0.0f; });
inline constexpr CodeValues kU8 = each_code([](unsigned code) { return static_cast<float>(code); });
inline constexpr CodeValues kI8 =
    each_code([](unsigned code) { return static_cast<float>(static_cast<int8_t>(code)); });
inline constexpr CodeValues kE5M2 = values_of({5, 2, 15, Specials::Ieee});
inline constexpr CodeValues kE4M3 = values_of({4, 3, 7, Specials::AllOnesNan});
inline constexpr CodeValues kE4M3Fnuz = values_of({4, 3, 8, Specials::NegativeZeroNan});
inline constexpr CodeValues kE5M2Fnuz = values_of({5, 2, 16, Specials::NegativeZeroNan});
inline constexpr CodeValues kE8M0 = scales();
inline constexpr CodeValues kE2M3 = values_of({2, 3, 1, Specials::None});
inline constexpr CodeValues kE3M2 = values_of({3, 2, 3, Specials::None});
inline constexpr CodeValues kE2M1 = values_of({2, 1, 1, Specials::None});

}  // namespace minifloat

// The value of each code of a dtype of at most 8 bits; null for wider ones.
constexpr const CodeValues* code_values(DType dtype) {
  switch (dtype) {
    case DType::BOOL: return &minifloat::kBool;
    case DType::F4: return &minifloat::kE2M1;
    case DType::F6_E2M3: return &minifloat::kE2M3;
    case DType::F6_E3M2: return &minifloat::kE3M2;
    case DType::U8: return &minifloat::kU8;
    case DType::I8: return &minifloat::kI8;
    case DType::F8_E5M2: return &minifloat::kE5M2;
    case DType::F8_E4M3: return &minifloat::kE4M3;
    case DType::F8_E8M0: return &minifloat::kE8M0;
    case DType::F8_E4M3FNUZ: return &minifloat::kE4M3Fnuz;
    case DType::F8_E5M2FNUZ: return &minifloat::kE5M2Fnuz;
    default: return nullptr;
  }
}

// Codes smaller than a byte lie in it from the lowest bit on: two of F4 in a byte, four of F6 in
// three bytes that are read as one little-endian number.
inline std::array<uint8_t, 2> unpack_f4(uint8_t byte) {
  return {static_cast<uint8_t>(byte & 0xF), static_cast<uint8_t>(byte >> 4)};
}
inline std::array<uint8_t, 4> unpack_f6(const uint8_t* three) {
  const uint32_t bits = three[0] | uint32_t{three[1]} << 8 | uint32_t{three[2]} << 16;
  return {static_cast<uint8_t>(bits & 63), static_cast<uint8_t>(bits >> 6 & 63),
          static_cast<uint8_t>(bits >> 12 & 63), static_cast<uint8_t>(bits >> 18)};
}

}  // namespace stkit::kernels
