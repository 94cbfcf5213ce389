#include "kernels/convert.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "kernels/reference.h"
#include "unit/kernels/simd_targets.h"

namespace stkit::kernels {
namespace {

using test::simd_targets;
using test::UseTarget;

// NaNs are equal, and -0 is not 0.
template <class T>
::testing::AssertionResult same(T a, T b) {
  if (std::isnan(a) && std::isnan(b)) return ::testing::AssertionSuccess();
  if (a == b && std::signbit(a) == std::signbit(b)) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << a << " is not " << b;
}

// Every code of a dtype of at most 16 bits, packed.
std::vector<std::byte> every_code(DType dtype) {
  const auto bits = static_cast<size_t>(info(dtype).bits());
  const size_t codes = size_t{1} << bits;
  std::vector<std::byte> packed(codes * bits / 8);
  for (size_t code = 0; code < codes; ++code)
    for (size_t bit = 0; bit < bits; ++bit) {
      const size_t at = code * bits + bit;
      packed[at / 8] |= static_cast<std::byte>((code >> bit & 1) << at % 8);
    }
  return packed;
}

// T16, T34
TEST(Convert, EveryCodeOfSmallTypes) {
  for (const int64_t target : simd_targets()) {
    const UseTarget use(target);
    for (const DTypeInfo& row : dtypes()) {
      if (!row.in_safetensors() || row.bits() > 16) continue;
      SCOPED_TRACE(testing::Message() << row.name << " on " << hwy::TargetName(target));
      const auto packed = every_code(row.dtype);
      const size_t count = value_count(row.dtype, packed.size());
      ASSERT_EQ(count, size_t{1} << static_cast<unsigned>(row.bits()));
      std::vector<float> floats(count);
      std::vector<double> doubles(count);
      to_float(row.dtype, packed, floats);
      to_double(row.dtype, packed, doubles);
      for (uint32_t code = 0; code < count; ++code) {
        const double expected = reference::value_of_code(row.dtype, code);
        ASSERT_TRUE(same(doubles[code], expected)) << "code " << code;
        ASSERT_TRUE(same(static_cast<double>(floats[code]), expected)) << "code " << code;
      }
    }
  }
}

TEST(Convert, SameBitsOnEveryTargetNanIncluded) {
  for (const DType dtype : {DType::F16, DType::BF16}) {
    const auto packed = every_code(dtype);
    std::vector<float> first;
    for (const int64_t target : simd_targets()) {
      const UseTarget use(target);
      std::vector<float> floats(value_count(dtype, packed.size()));
      to_float(dtype, packed, floats);
      if (first.empty()) first = floats;
      EXPECT_EQ(std::memcmp(first.data(), floats.data(), floats.size() * sizeof(float)), 0)
          << name(dtype) << " on " << hwy::TargetName(target);
    }
  }
}

// Facts of the formats, apart from any formula.
TEST(Convert, LandmarksOfSmallFloats) {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  constexpr double kInf = std::numeric_limits<double>::infinity();
  const struct {
    DType dtype;
    uint8_t code;
    double value;
  } kCases[] = {
      {DType::F8_E4M3, 0x7E, 448},      {DType::F8_E4M3, 0x7F, kNan},
      {DType::F8_E4M3, 0xFF, kNan},     {DType::F8_E4M3, 0x80, -0.0},
      {DType::F8_E4M3, 0x01, 0x1p-9},   {DType::F8_E5M2, 0x7B, 57344},
      {DType::F8_E5M2, 0x7C, kInf},     {DType::F8_E5M2, 0xFC, -kInf},
      {DType::F8_E5M2, 0x7D, kNan},     {DType::F8_E5M2, 0x01, 0x1p-16},
      {DType::F8_E4M3FNUZ, 0x7F, 240},  {DType::F8_E4M3FNUZ, 0x80, kNan},
      {DType::F8_E4M3FNUZ, 0xFF, -240}, {DType::F8_E5M2FNUZ, 0x7F, 57344},
      {DType::F8_E5M2FNUZ, 0x80, kNan}, {DType::F8_E8M0, 0x7F, 1},
      {DType::F8_E8M0, 0x00, 0x1p-127}, {DType::F8_E8M0, 0xFE, 0x1p127},
      {DType::F8_E8M0, 0xFF, kNan},     {DType::BOOL, 2, 1},
      {DType::I8, 0x80, -128},          {DType::U8, 0xFF, 255},
  };
  for (const auto& [dtype, code, value] : kCases) {
    const std::byte element[] = {std::byte{code}};
    double converted[1];
    to_double(dtype, element, converted);
    EXPECT_TRUE(same(converted[0], value)) << name(dtype) << " code " << int{code};
  }
}

TEST(Convert, SubByteElementsComeLowestBitsFirst) {
  // 0x7A: the low nibble 0xA is -1, the high one 0x7 is 6.
  const std::byte nibbles[] = {std::byte{0x7A}};
  double two[2];
  to_double(DType::F4, nibbles, two);
  EXPECT_EQ(two[0], -1);
  EXPECT_EQ(two[1], 6);
  // Codes 1, 2, 3, 63 as one little-endian number of 24 bits.
  const uint32_t packed = 1 | 2 << 6 | 3 << 12 | 63 << 18;
  const std::byte three[] = {std::byte(packed & 0xFF), std::byte(packed >> 8 & 0xFF),
                             std::byte(packed >> 16)};
  double four[4];
  to_double(DType::F6_E2M3, three, four);
  EXPECT_EQ(four[0], 0.125);
  EXPECT_EQ(four[1], 0.25);
  EXPECT_EQ(four[2], 0.375);
  EXPECT_EQ(four[3], -7.5);
  to_double(DType::F6_E3M2, three, four);
  EXPECT_EQ(four[0], 0.0625);
  EXPECT_EQ(four[3], -28);
}

TEST(Convert, EveryLengthAndAlignment) {
  for (const int64_t target : simd_targets()) {
    const UseTarget use(target);
    for (const DType dtype : {DType::F16, DType::BF16}) {
      for (size_t offset = 0; offset < 4; ++offset) {
        for (size_t count = 0; count <= 70; ++count) {
          std::vector<std::byte> bytes(offset + count * 2);
          for (size_t i = offset; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i * 37);
          const auto elements = std::span<const std::byte>(bytes).subspan(offset);
          std::vector<float> floats(count);
          to_float(dtype, elements, floats);
          for (size_t i = 0; i < count; ++i)
            ASSERT_TRUE(
                same(static_cast<long double>(floats[i]), reference::value_at(dtype, elements, i)))
                << name(dtype) << " offset " << offset << " count " << count << " at " << i;
        }
      }
    }
  }
}

TEST(Convert, WideTypes) {
  const auto as_doubles = [](DType dtype, const auto& elements) {
    const auto bytes = std::as_bytes(std::span(elements));
    std::vector<double> out(value_count(dtype, bytes.size()));
    to_double(dtype, bytes, out);
    return out;
  };
  using Doubles = std::vector<double>;
  EXPECT_EQ(as_doubles(DType::I64, std::vector<int64_t>{-1, INT64_MIN}), (Doubles{-1, -0x1p63}));
  EXPECT_EQ(as_doubles(DType::U64, std::vector<uint64_t>{7, UINT64_MAX}), (Doubles{7, 0x1p64}));
  EXPECT_EQ(as_doubles(DType::U32, std::vector<uint32_t>{UINT32_MAX}), (Doubles{4294967295}));
  EXPECT_EQ(as_doubles(DType::F64, std::vector<double>{1e300}), (Doubles{1e300}));
  EXPECT_EQ(as_doubles(DType::C64, std::vector<float>{1, 2, 3, 4}), (Doubles{1, 2, 3, 4}));

  const double wide[] = {1e300, 0.1};
  float narrow[2];
  to_float(DType::F64, std::as_bytes(std::span(wide)), narrow);
  EXPECT_EQ(narrow[0], std::numeric_limits<float>::infinity());
  EXPECT_EQ(narrow[1], 0.1f);
}

}  // namespace
}  // namespace stkit::kernels
