#include "kernels/cast.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <iterator>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "kernels/cast_target.h"
#include "kernels/reference.h"
#include "unit/kernels/simd_targets.h"

namespace stkit::kernels {
namespace {

using test::simd_targets;
using test::UseTarget;

using Bytes = std::vector<std::byte>;

constexpr DType kSources[] = {DType::F64,         DType::F32,        DType::F16,
                              DType::BF16,        DType::F8_E4M3,    DType::F8_E5M2,
                              DType::F8_E4M3FNUZ, DType::F8_E5M2FNUZ};
constexpr DType kTargets[] = {DType::F64,  DType::F32,     DType::F16,
                              DType::BF16, DType::F8_E4M3, DType::F8_E5M2};

size_t size_of(DType dtype) { return info(dtype).block_bytes; }

uint64_t code_at(const Bytes& bytes, DType dtype, size_t i) {
  uint64_t code = 0;
  std::memcpy(&code, &bytes[i * size_of(dtype)], size_of(dtype));
  return code;
}

void append(Bytes& bytes, DType dtype, uint64_t code) {
  const auto* from = reinterpret_cast<const std::byte*>(&code);
  bytes.insert(bytes.end(), from, from + size_of(dtype));
}

uint64_t split_mix(uint64_t i) {
  uint64_t z = i * 0x9E3779B97F4A7C15;
  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
  z = (z ^ z >> 27) * 0x94D049BB133111EB;
  return z ^ z >> 31;
}

// Every code of a type of at most 16 bits; of wider ones 2^18 random bit patterns.
Bytes codes_of(DType dtype) {
  const size_t bits = size_of(dtype) * 8;
  const uint64_t count = bits <= 16 ? uint64_t{1} << bits : uint64_t{1} << 18;
  Bytes bytes(count * size_of(dtype));
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t random = split_mix(i + 1);
    const uint64_t code = bits <= 16 ? i : bits == 32 ? random >> 32 : random;
    std::memcpy(&bytes[i * size_of(dtype)], &code, size_of(dtype));
  }
  return bytes;
}

struct Cast {
  Bytes out;
  uint64_t beyond = 0;
};

Cast run_cast(DType from, DType to, std::span<const std::byte> in, BeyondRange beyond) {
  Cast result{Bytes(in.size() / size_of(from) * size_of(to)), 0};
  result.beyond = cast(from, to, in, result.out, beyond);
  return result;
}

struct SpecialCodes {
  DType dtype;
  uint64_t magnitude_mask, infinity, largest, nan;
};
constexpr SpecialCodes kSpecials[] = {
    {DType::F64, 0x7FFF'FFFF'FFFF'FFFF, 0x7FF0'0000'0000'0000, 0x7FEF'FFFF'FFFF'FFFF,
     0x7FF8'0000'0000'0000},
    {DType::F32, 0x7FFF'FFFF, 0x7F80'0000, 0x7F7F'FFFF, 0x7FC0'0000},
    {DType::F16, 0x7FFF, 0x7C00, 0x7BFF, 0x7E00},
    {DType::BF16, 0x7FFF, 0x7F80, 0x7F7F, 0x7FC0},
    {DType::F8_E4M3, 0x7F, 0x7E, 0x7E, 0x7F},  // no infinity
    {DType::F8_E5M2, 0x7F, 0x7C, 0x7B, 0x7F},
};

const SpecialCodes& specials(DType dtype) {
  return *std::ranges::find(kSpecials, dtype, &SpecialCodes::dtype);
}

bool is_nan(DType dtype, uint64_t code) {
  return (code & specials(dtype).magnitude_mask) > specials(dtype).infinity;
}

// With one NaN for all: which of them comes out, and with which sign, depends on the CPU in torch.
std::string digest_of(DType dtype, Bytes bytes) {
  for (size_t i = 0; i < bytes.size() / size_of(dtype); ++i)
    if (is_nan(dtype, code_at(bytes, dtype, i)))
      std::memcpy(&bytes[i * size_of(dtype)], &specials(dtype).nan, size_of(dtype));
  Digest digest;
  digest.update(bytes);
  return digest.hex();
}

// torch clamps to F8_E4M3 and lets all else become infinite.
BeyondRange as_torch(DType to) {
  return to == DType::F8_E4M3 ? BeyondRange::Clamp : BeyondRange::Infinity;
}

struct Golden {
  DType from, to;
  std::string_view sha256;
};

// torch 2.13, .to() of codes_of(from).
constexpr Golden kGolden[] = {
#include "cast_golden.inc"
};

// T34
TEST(Cast, EqualsTorch) {
  for (const Golden& row : kGolden) {
    const Cast result = run_cast(row.from, row.to, codes_of(row.from), as_torch(row.to));
    EXPECT_EQ(digest_of(row.to, result.out), row.sha256)
        << name(row.from) << " to " << name(row.to);
  }
}

double value_of(DType dtype, uint64_t code) {
  if (dtype == DType::F64) return std::bit_cast<double>(code);
  if (dtype == DType::F32)
    return static_cast<double>(std::bit_cast<float>(static_cast<uint32_t>(code)));
  return reference::value_of_code(dtype, static_cast<uint32_t>(code));
}

// Said once more, with no bit tricks: of the two values of the target around `value` the nearer,
// of two as near the one with an even code. Nothing when it is beyond the range.
std::optional<uint64_t> nearest_code(DType to, double value) {
  const SpecialCodes& row = specials(to);
  const bool negative = std::signbit(value);
  const double magnitude = std::abs(value);
  uint64_t below = 0, above = row.largest + 1;  // codes of magnitudes ascend
  while (above - below > 1) {
    const uint64_t middle = below + (above - below) / 2;
    (value_of(to, middle) <= magnitude ? below : above) = middle;
  }
  const double low = value_of(to, below);
  const double step =
      below == row.largest ? low - value_of(to, below - 1) : value_of(to, above) - low;
  const double twice_rest = 2 * (magnitude - low);
  const bool up = twice_rest > step || (twice_rest == step && below % 2 == 1);
  if (up && below == row.largest) return std::nullopt;
  return (below + (up ? 1 : 0)) | (negative ? row.magnitude_mask + 1 : 0);
}

void expect_rounded(DType from, DType to, const Bytes& in) {
  const Cast clamped = run_cast(from, to, in, BeyondRange::Clamp);
  const Cast infinite = run_cast(from, to, in, BeyondRange::Infinity);
  const SpecialCodes& row = specials(to);
  uint64_t beyond = 0;
  for (size_t i = 0; i < in.size() / size_of(from); ++i) {
    const double value = value_of(from, code_at(in, from, i));
    const uint64_t sign = std::signbit(value) ? row.magnitude_mask + 1 : 0;
    const uint64_t a = code_at(clamped.out, to, i), b = code_at(infinite.out, to, i);
    SCOPED_TRACE(testing::Message() << name(from) << " to " << name(to) << ": " << value << " ("
                                    << code_at(in, from, i) << ")");
    if (std::isnan(value)) {
      ASSERT_TRUE(is_nan(to, a) && is_nan(to, b));
      continue;
    }
    const bool lacks_infinity = to == DType::F8_E4M3;
    if (std::isinf(value) && !lacks_infinity) {
      ASSERT_EQ(a, row.infinity | sign);
      ASSERT_EQ(b, row.infinity | sign);
      continue;
    }
    const auto code = std::isinf(value) ? std::nullopt : nearest_code(to, value);
    if (code) {
      ASSERT_EQ(a, *code);
      ASSERT_EQ(b, *code);
    } else {
      ++beyond;
      ASSERT_EQ(a, row.largest | sign);
      ASSERT_EQ(b, (lacks_infinity ? row.nan : row.infinity) | sign);
    }
  }
  EXPECT_EQ(clamped.beyond, beyond);
  EXPECT_EQ(infinite.beyond, beyond);
}

// Values around every boundary between two codes of the target.
Bytes boundaries_of(DType from, DType to) {
  Bytes bytes;
  const auto add = [&](double value) {
    for (const double signed_value : {value, -value})
      append(bytes, from,
             from == DType::F64
                 ? std::bit_cast<uint64_t>(signed_value)
                 : uint64_t{std::bit_cast<uint32_t>(static_cast<float>(signed_value))});
  };
  const SpecialCodes& row = specials(to);
  for (uint64_t code = 0; code <= row.largest; ++code) {
    const double low = value_of(to, code);
    const double high =
        code == row.largest ? 2 * low - value_of(to, code - 1) : value_of(to, code + 1);
    const auto middle = low + (high - low) / 2;
    if (from == DType::F32) {
      const auto exact = static_cast<float>(middle);
      for (const float value :
           {exact, std::nextafter(exact, 0.0f), std::nextafter(exact, HUGE_VALF)})
        add(static_cast<double>(value));
    } else {
      for (const double value :
           {middle, std::nextafter(middle, 0.0), std::nextafter(middle, HUGE_VAL)})
        add(value);
    }
    add(low);
  }
  add(std::numeric_limits<double>::infinity());
  add(std::numeric_limits<double>::quiet_NaN());
  return bytes;
}

// T34
TEST(Cast, RoundsToNearestEvenAndCountsWhatIsBeyond) {
  for (const DType to : {DType::F16, DType::BF16, DType::F8_E4M3, DType::F8_E5M2}) {
    expect_rounded(DType::F32, to, boundaries_of(DType::F32, to));
    for (const DType from : {DType::F16, DType::BF16, DType::F8_E4M3, DType::F8_E5M2})
      if (from != to) expect_rounded(from, to, codes_of(from));
  }
}

void expect_same_on_every_target(DType from, DType to, const Bytes& in) {
  for (const BeyondRange beyond : {BeyondRange::Clamp, BeyondRange::Infinity}) {
    const Cast best = run_cast(from, to, in, beyond);
    for (const int64_t target : simd_targets()) {
      const UseTarget use(target);
      const Cast result = run_cast(from, to, in, beyond);
      EXPECT_EQ(result.out, best.out)
          << name(from) << " to " << name(to) << " on " << hwy::TargetName(target);
      EXPECT_EQ(result.beyond, best.beyond)
          << name(from) << " to " << name(to) << " on " << hwy::TargetName(target);
    }
  }
}

// T36: the bits of NaNs included.
TEST(Cast, SameBytesOnEveryTarget) {
  for (const Golden& row : kGolden)
    expect_same_on_every_target(row.from, row.to, codes_of(row.from));
  for (const DType to : {DType::F16, DType::BF16, DType::F8_E4M3, DType::F8_E5M2})
    expect_same_on_every_target(DType::F32, to, boundaries_of(DType::F32, to));
}

TEST(Cast, DoublesAreRoundedOnceToHalf) {
  expect_rounded(DType::F64, DType::F16, boundaries_of(DType::F64, DType::F16));
}

TEST(Cast, DoublesBeyondFloat) {
  constexpr double kMost = 3.4028234663852886e38, kTie = 3.4028235677973366e38;
  Bytes in;
  for (const double value : {kMost, std::nextafter(kTie, 0.0), kTie, -1e300, -HUGE_VAL, 1e-60})
    append(in, DType::F64, std::bit_cast<uint64_t>(value));
  constexpr uint64_t kLargest = 0x7F7F'FFFF, kInfinity = 0x7F80'0000, kSign = 0x8000'0000;
  for (const BeyondRange beyond : {BeyondRange::Clamp, BeyondRange::Infinity}) {
    const Cast result = run_cast(DType::F64, DType::F32, in, beyond);
    const uint64_t expected = beyond == BeyondRange::Clamp ? kLargest : kInfinity;
    EXPECT_EQ(result.beyond, 2u);
    EXPECT_EQ(code_at(result.out, DType::F32, 0), kLargest);
    EXPECT_EQ(code_at(result.out, DType::F32, 1), kLargest);
    EXPECT_EQ(code_at(result.out, DType::F32, 2), expected);
    EXPECT_EQ(code_at(result.out, DType::F32, 3), expected | kSign);
    EXPECT_EQ(code_at(result.out, DType::F32, 4), kInfinity | kSign);
    EXPECT_EQ(code_at(result.out, DType::F32, 5), 0u);
  }
  // On the way to something narrower they count once, and infinities do not.
  EXPECT_EQ(run_cast(DType::F64, DType::BF16, in, BeyondRange::Clamp).beyond, 4u);
  EXPECT_EQ(run_cast(DType::F64, DType::F16, in, BeyondRange::Infinity).beyond, 4u);
  EXPECT_EQ(run_cast(DType::F64, DType::F8_E5M2, in, BeyondRange::Infinity).beyond, 4u);
  EXPECT_EQ(run_cast(DType::F64, DType::F8_E4M3, in, BeyondRange::Infinity).beyond, 5u);
}

// The sign stays, and of the payload what fits; a signalling NaN becomes a quiet one.
TEST(Cast, Nans) {
  Bytes in;
  for (const uint64_t code : {0x7F80'0001u, 0x7FC1'2345u, 0xFF81'2345u})
    append(in, DType::F32, code);
  const Bytes halves = run_cast(DType::F32, DType::F16, in, BeyondRange::Clamp).out;
  EXPECT_EQ(code_at(halves, DType::F16, 0), 0x7E00u);
  EXPECT_EQ(code_at(halves, DType::F16, 1), 0x7E09u);
  EXPECT_EQ(code_at(halves, DType::F16, 2), 0xFE09u);
  const Bytes brains = run_cast(DType::F32, DType::BF16, in, BeyondRange::Clamp).out;
  EXPECT_EQ(code_at(brains, DType::BF16, 0), 0x7FC0u);
  EXPECT_EQ(code_at(brains, DType::BF16, 1), 0x7FC1u);
  EXPECT_EQ(code_at(brains, DType::BF16, 2), 0xFFC1u);
  const Bytes eights = run_cast(DType::F32, DType::F8_E5M2, in, BeyondRange::Clamp).out;
  EXPECT_EQ(code_at(eights, DType::F8_E5M2, 2), 0xFFu);
}

// What fits comes back as it was: from every narrow type to every one that holds its values.
TEST(Cast, WideningIsExact) {
  for (const DType from : kSources)
    for (const DType to : {DType::F32, DType::F64}) {
      if (size_of(from) > 2 || !can_cast(to, from)) continue;
      const Bytes in = codes_of(from);
      const Cast wide = run_cast(from, to, in, BeyondRange::Clamp);
      EXPECT_EQ(wide.beyond, 0u);
      const Bytes back = run_cast(to, from, wide.out, BeyondRange::Infinity).out;
      for (size_t i = 0; i < in.size() / size_of(from); ++i) {
        const uint64_t code = code_at(in, from, i);
        if (is_nan(from, code)) continue;
        ASSERT_EQ(code_at(back, from, i), code) << name(from) << " " << i;
      }
    }
}

// Where blocks of ordinary values are cast in a faster way: one that is none, at any place.
TEST(Cast, OneValueThatIsNotOrdinary) {
  constexpr size_t kCount = 3000;
  for (const auto& [from, other] : {std::pair(DType::F32, uint64_t{0x7F7F'FFFF}),
                                    {DType::F32, 0xFF80'0000},
                                    {DType::BF16, 0x7FC1},
                                    {DType::F16, 0xFC01}})
    for (const DType to : {DType::F16, DType::BF16, DType::F8_E4M3, DType::F8_E5M2}) {
      if (from == to) continue;
      Bytes floats;
      for (size_t i = 0; i < kCount; ++i) {
        const auto value = static_cast<float>(split_mix(i) % 255) / 128 - 1;
        append(floats, DType::F32, std::bit_cast<uint32_t>(value));
      }
      // All of it fits into 8 bits of mantissa, so nothing is rounded twice.
      const Bytes ordinary = run_cast(DType::F32, from, floats, BeyondRange::Clamp).out;
      Cast expected;
      for (size_t i = 0; i < kCount; ++i) {
        const auto one = std::span(ordinary).subspan(i * size_of(from), size_of(from));
        std::ranges::copy(run_cast(from, to, one, BeyondRange::Clamp).out,
                          std::back_inserter(expected.out));
      }
      for (const size_t place : {0u, 1u, 1023u, 1024u, 2047u, 2048u, 2999u}) {
        Bytes in = ordinary;
        std::memcpy(&in[place * size_of(from)], &other, size_of(from));
        const auto alone = std::span(in).subspan(place * size_of(from), size_of(from));
        const Cast of_other = run_cast(from, to, alone, BeyondRange::Clamp);
        Cast with_other = expected;
        std::ranges::copy(of_other.out, &with_other.out[place * size_of(to)]);
        const Cast result = run_cast(from, to, in, BeyondRange::Clamp);
        EXPECT_TRUE(result.out == with_other.out) << name(from) << " to " << name(to) << place;
        EXPECT_EQ(result.beyond, of_other.beyond);
      }
    }
}

// Odd lengths and addresses, on every target: pieces give what the whole gives.
TEST(Cast, AnyLengthAndAlignment) {
  for (const DType from : kSources)
    for (const DType to : kTargets) {
      if (from == to) continue;
      Bytes in = codes_of(from);
      in.resize(100 * size_of(from));
      const Bytes whole = run_cast(from, to, in, BeyondRange::Clamp).out;
      for (const int64_t target : simd_targets()) {
        const UseTarget use(target);
        for (size_t first = 0; first < 3; ++first)
          for (size_t count = 0; count < 70; ++count) {
            Bytes shifted(1 + count * size_of(to));
            const auto part = std::span(in).subspan(first * size_of(from), count * size_of(from));
            cast(from, to, part, std::span(shifted).subspan(1), BeyondRange::Clamp);
            ASSERT_TRUE(std::ranges::equal(
                std::span(shifted).subspan(1),
                std::span(whole).subspan(first * size_of(to), count * size_of(to))))
                << name(from) << " to " << name(to) << ", " << count << " from " << first;
          }
      }
    }
}

TEST(Cast, OnlyFloatsThatMeanSomethingByThemselves) {
  EXPECT_TRUE(can_cast(DType::F8_E4M3FNUZ, DType::BF16));
  for (const DType from : {DType::I32, DType::BOOL, DType::U8, DType::C64, DType::F8_E8M0,
                           DType::F6_E2M3, DType::F4, DType::Q4_K})
    EXPECT_FALSE(can_cast(from, DType::F32)) << name(from);
  for (const DType to : {DType::I32, DType::F8_E8M0, DType::F8_E4M3FNUZ, DType::F4})
    EXPECT_FALSE(can_cast(DType::F32, to)) << name(to);
}

}  // namespace
}  // namespace stkit::kernels
