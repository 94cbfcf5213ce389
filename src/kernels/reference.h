// What the kernels must compute, one element at a time and as plainly as it can be said. For tests
// only; shares nothing with the kernels.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <vector>

#include "stkit/dtype.h"

namespace stkit::kernels::reference {

inline constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
inline constexpr double kInfinity = std::numeric_limits<double>::infinity();

// A float with sign, exponent and mantissa as in IEEE 754, all codes finite.
inline double finite_float(uint64_t code, int exponent_bits, int mantissa_bits, int bias) {
  const uint64_t mantissa = code & ((uint64_t{1} << mantissa_bits) - 1);
  const auto exponent = static_cast<int>(code >> mantissa_bits & ((1u << exponent_bits) - 1));
  const bool negative = (code >> (mantissa_bits + exponent_bits) & 1) != 0;
  const double fraction = std::ldexp(static_cast<double>(mantissa), -mantissa_bits);
  const double magnitude =
      exponent == 0 ? std::ldexp(fraction, 1 - bias) : std::ldexp(1 + fraction, exponent - bias);
  return negative ? -magnitude : magnitude;
}

// The same with the largest exponent for infinity and NaN.
inline double ieee_float(uint64_t code, int exponent_bits, int mantissa_bits, int bias) {
  const uint64_t mantissa = code & ((uint64_t{1} << mantissa_bits) - 1);
  const uint64_t largest = (uint64_t{1} << exponent_bits) - 1;
  if ((code >> mantissa_bits & largest) != largest)
    return finite_float(code, exponent_bits, mantissa_bits, bias);
  if (mantissa != 0) return kNan;
  return (code >> (mantissa_bits + exponent_bits) & 1) != 0 ? -kInfinity : kInfinity;
}

// The value of one code of a dtype of at most 16 bits, sub-byte ones unpacked.
inline double value_of_code(DType dtype, uint32_t code) {
  switch (dtype) {
    case DType::BOOL: return code != 0 ? 1 : 0;
    case DType::U8: return code;
    case DType::I8: return static_cast<int8_t>(code);
    case DType::U16: return code;
    case DType::I16: return static_cast<int16_t>(code);
    case DType::F4: return finite_float(code, 2, 1, 1);
    case DType::F6_E2M3: return finite_float(code, 2, 3, 1);
    case DType::F6_E3M2: return finite_float(code, 3, 2, 3);
    case DType::F8_E5M2: return ieee_float(code, 5, 2, 15);
    case DType::F8_E4M3: return (code & 0x7F) == 0x7F ? kNan : finite_float(code, 4, 3, 7);
    case DType::F8_E4M3FNUZ: return code == 0x80 ? kNan : finite_float(code, 4, 3, 8);
    case DType::F8_E5M2FNUZ: return code == 0x80 ? kNan : finite_float(code, 5, 2, 16);
    case DType::F8_E8M0: return code == 0xFF ? kNan : std::ldexp(1.0, static_cast<int>(code) - 127);
    case DType::F16: return ieee_float(code, 5, 10, 15);
    case DType::BF16: return ieee_float(code, 8, 7, 127);
    default: return kNan;
  }
}

template <class T>
T stored(std::span<const std::byte> elements, size_t index) {
  T value;
  std::memcpy(&value, &elements[index * sizeof(T)], sizeof(T));
  return value;
}

// The bits [first, first + count) of a run of bytes, of which bit 0 is the lowest of the first.
inline uint32_t bits_of(std::span<const std::byte> elements, size_t first, size_t count) {
  uint32_t code = 0;
  for (size_t i = 0; i < count; ++i) {
    const auto byte = static_cast<uint32_t>(elements[(first + i) / 8]);
    code |= (byte >> ((first + i) % 8) & 1) << i;
  }
  return code;
}

// Value `index`; C64 has two per element.
inline long double value_at(DType dtype, std::span<const std::byte> elements, size_t index) {
  switch (dtype) {
    case DType::I32: return stored<int32_t>(elements, index);
    case DType::U32: return stored<uint32_t>(elements, index);
    case DType::I64: return static_cast<long double>(stored<int64_t>(elements, index));
    case DType::U64: return static_cast<long double>(stored<uint64_t>(elements, index));
    case DType::F32:
    case DType::C64: return static_cast<long double>(stored<float>(elements, index));
    case DType::F64: return static_cast<long double>(stored<double>(elements, index));
    default: break;
  }
  const auto bits = static_cast<size_t>(info(dtype).bits());
  return static_cast<long double>(value_of_code(dtype, bits_of(elements, index * bits, bits)));
}

inline std::vector<long double> values(DType dtype, std::span<const std::byte> elements) {
  const double bits = dtype == DType::C64 ? 32 : info(dtype).bits();
  std::vector<long double> all(
      static_cast<size_t>(static_cast<double>(elements.size()) * 8 / bits));
  for (size_t i = 0; i < all.size(); ++i) all[i] = value_at(dtype, elements, i);
  return all;
}

struct Stats {
  uint64_t finite = 0, nan = 0, inf = 0, zero = 0;
  long double min = 0, max = 0, mean = 0, standard_deviation = 0;
};

inline Stats stats(std::span<const long double> values) {
  Stats result;
  long double first = 0, sum = 0;
  for (const long double value : values) {
    if (std::isnan(value)) {
      ++result.nan;
    } else if (std::isinf(value)) {
      ++result.inf;
    } else {
      result.zero += value == 0;
      result.min = result.finite == 0 || value < result.min ? value : result.min;
      result.max = result.finite == 0 || value > result.max ? value : result.max;
      // From the first: large values that lie close together would leave no digit of a plain sum.
      if (result.finite++ == 0) first = value;
      sum += value - first;
    }
  }
  if (result.finite == 0) return result;
  const auto count = static_cast<long double>(result.finite);
  result.mean = first + sum / count;
  long double squares = 0;
  for (const long double value : values)
    if (std::isfinite(value)) squares += (value - result.mean) * (value - result.mean);
  result.standard_deviation = std::sqrt(squares / count);
  return result;
}

}  // namespace stkit::kernels::reference
