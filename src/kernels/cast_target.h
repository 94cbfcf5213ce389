// Narrow float formats as targets of a cast, one value at a time: what the vectors must agree with.
#pragma once

#include <bit>
#include <cstdint>
#include <limits>

#include "kernels/cast.h"

namespace stkit::kernels {

inline constexpr uint32_t kF32Infinity = 0x7F80'0000;

//   sign | exponent (8 bits in BF16, fewer elsewhere) | kMantissa bits
//
// kLargest is the magnitude of the largest finite value, kSpecial what infinities become.
template <class CodeT, int kMantissaBits, int kExponentBias, uint32_t kLargestCode,
          uint32_t kInfinityCode>
struct CastTarget {
  using Code = CodeT;
  static constexpr int kMantissa = kMantissaBits;
  static constexpr int kBias = kExponentBias;
  static constexpr uint32_t kLargest = kLargestCode, kSpecial = kInfinityCode;
  static constexpr unsigned kBits = sizeof(Code) * 8;

  // With as many exponents as F32 its subnormals are at the same place.
  static constexpr bool kSameExponents = kBias == 127;
  static constexpr int kShift = 23 - kMantissa;  // between the mantissas
  static constexpr uint32_t kRebias = static_cast<uint32_t>(127 - kBias) << 23;
  static constexpr uint32_t kSmallestNormal = kRebias + (1u << 23);
  // Has the smallest subnormal as its last bit: adding it rounds a subnormal to its place.
  static constexpr uint32_t kSubnormalMagic = static_cast<uint32_t>(127 + 24 - kBias - kMantissa)
                                              << 23;

  // Magnitudes as F32: of the largest value, and of the first that is rounded to more than it.
  static constexpr uint32_t kMost = (kLargest << kShift) + kRebias;
  static constexpr uint32_t kBeyond = kMost + (1u << (kShift - 1)) + (kLargest & 1 ? 0 : 1);
  static constexpr bool kHasInfinity = (kLargest >> kMantissa) + 1 == (kSpecial >> kMantissa);
  // From here on nothing is a number that the target could not hold.
  static constexpr uint32_t kNotBeyond = kHasInfinity ? kF32Infinity : kF32Infinity + 1;

  static constexpr uint32_t kQuiet = 1u << (kMantissa - 1);
  static constexpr uint32_t kMantissaMask = (1u << kMantissa) - 1;
};

using Bf16Target = CastTarget<uint16_t, 7, 127, 0x7F7F, 0x7F80>;
using F16Target = CastTarget<uint16_t, 10, 15, 0x7BFF, 0x7C00>;
using E5m2Target = CastTarget<uint8_t, 2, 15, 0x7B, 0x7C>;
using E4m3Target = CastTarget<uint8_t, 3, 7, 0x7E, 0x7F>;

// `magnitude` is of an F32; of NaNs only those of more than 8 bits have room for a payload.
template <class Target>
constexpr uint32_t round_magnitude(uint32_t magnitude) {
  if (magnitude > kF32Infinity) {
    if constexpr (Target::kBits == 8) return 0x7F;
    const uint32_t payload = magnitude >> Target::kShift & Target::kMantissaMask;
    return Target::kSpecial | Target::kQuiet | payload;
  }
  if (magnitude >= Target::kBeyond) return Target::kSpecial;
  if (!Target::kSameExponents && magnitude < Target::kSmallestNormal) {
    const float sum =
        std::bit_cast<float>(magnitude) + std::bit_cast<float>(Target::kSubnormalMagic);
    return std::bit_cast<uint32_t>(sum) - Target::kSubnormalMagic;
  }
  constexpr uint32_t kHalf = (1u << (Target::kShift - 1)) - 1;
  const uint32_t rounded = magnitude + kHalf + (magnitude >> Target::kShift & 1);
  return (rounded - Target::kRebias) >> Target::kShift;
}

template <class Target>
constexpr typename Target::Code narrow(float value, BeyondRange beyond, uint64_t& beyond_count) {
  const auto bits = std::bit_cast<uint32_t>(value);
  uint32_t magnitude = bits & 0x7FFF'FFFF;
  if (magnitude >= Target::kBeyond && magnitude < Target::kNotBeyond) {
    ++beyond_count;
    if (beyond == BeyondRange::Clamp) magnitude = Target::kMost;
  }
  const uint32_t sign = bits >> (32 - Target::kBits) & 1u << (Target::kBits - 1);
  return static_cast<typename Target::Code>(round_magnitude<Target>(magnitude) | sign);
}

// F64 to F32 on the way to something narrower. A number never becomes infinite, so that it counts
// as beyond the range of what follows.
inline float to_finite_float(double value) {
  const auto rounded = static_cast<float>(value);
  constexpr float kMost = std::numeric_limits<float>::max();
  if (rounded > kMost && value <= std::numeric_limits<double>::max()) return kMost;
  if (rounded < -kMost && value >= -std::numeric_limits<double>::max()) return -kMost;
  return rounded;
}

// The same rounded to odd: towards zero, with the last bit set when that was not exact. Rounding
// the result to nearest even is then the same as rounding the double, which has to be so for
// targets of at least two bits fewer.
inline float round_to_odd(double value) {
  const float nearest = to_finite_float(value);
  if (static_cast<double>(nearest) == value || value != value) return nearest;
  auto bits = std::bit_cast<uint32_t>(nearest);
  const double magnitude = value < 0 ? -value : value;
  const auto nearest_magnitude = static_cast<double>(nearest < 0 ? -nearest : nearest);
  bits -= nearest_magnitude > magnitude ? 1 : 0;
  return std::bit_cast<float>(bits | 1);
}

}  // namespace stkit::kernels
