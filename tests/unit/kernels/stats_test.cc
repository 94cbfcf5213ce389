#include "kernels/stats.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "kernels/reference.h"
#include "kernels/simd_info.h"
#include "unit/kernels/simd_targets.h"

namespace stkit::kernels {
namespace {

using test::simd_targets;
using test::UseTarget;
using Bytes = std::vector<std::byte>;

template <class T>
Bytes bytes_of(const std::vector<T>& elements) {
  Bytes bytes(elements.size() * sizeof(T));
  if (!bytes.empty()) std::memcpy(bytes.data(), elements.data(), bytes.size());
  return bytes;
}

// Elements of a float type from numbers; bf16 and f16 are cut, not rounded.
Bytes encode(DType dtype, const std::vector<double>& numbers) {
  Bytes bytes;
  for (const double number : numbers) {
    const auto f32 = std::bit_cast<uint32_t>(static_cast<float>(number));
    uint64_t bits = 0;
    switch (dtype) {
      case DType::BF16: bits = f32 >> 16; break;
      case DType::F16: {
        const uint32_t sign = f32 >> 16 & 0x8000, exponent = f32 >> 23 & 0xFF;
        bits = exponent == 0xFF ? 0x7C00 | (f32 & 0x7FFFFF ? 1u : 0u)
               : exponent < 113 ? 0
               : exponent > 142 ? 0x7BFF
                                : (exponent - 112) << 10 | (f32 >> 13 & 0x3FF);
        bits |= sign;
        break;
      }
      case DType::F64: bits = std::bit_cast<uint64_t>(number); break;
      default: bits = f32; break;
    }
    const size_t size = dtype == DType::C64 ? 4 : info(dtype).block_bytes;
    for (size_t i = 0; i < size; ++i) bytes.push_back(static_cast<std::byte>(bits >> 8 * i));
  }
  return bytes;
}

Bytes random_bytes(size_t size, unsigned seed) {
  std::mt19937 random(seed);
  Bytes bytes(size);
  for (auto& byte : bytes) byte = static_cast<std::byte>(random() >> 11);
  return bytes;
}

std::vector<double> gaussian(size_t count, double mean, double deviation) {
  std::mt19937_64 random(count);
  std::normal_distribution<double> normal(mean, deviation);
  std::vector<double> numbers(count);
  for (auto& number : numbers) number = normal(random);
  return numbers;
}

bool same_bits(const StatsAccumulator& a, const StatsAccumulator& b) {
  const auto equal = [](double x, double y) {
    return std::bit_cast<uint64_t>(x) == std::bit_cast<uint64_t>(y);
  };
  return a.finite == b.finite && a.nan == b.nan && a.inf == b.inf && a.zero == b.zero &&
         equal(a.min, b.min) && equal(a.max, b.max) && equal(a.scaled_mean, b.scaled_mean) &&
         equal(a.scaled_squares, b.scaled_squares) && a.exponent == b.exponent;
}

// `tolerance` is relative to the deviation, or to the largest value where there is none.
void expect_matches(const StatsAccumulator& got, const reference::Stats& want, double tolerance) {
  EXPECT_EQ(got.finite, want.finite);
  EXPECT_EQ(got.nan, want.nan);
  EXPECT_EQ(got.inf, want.inf);
  EXPECT_EQ(got.zero, want.zero);
  if (want.finite == 0) {
    EXPECT_TRUE(std::isnan(got.mean()));
    EXPECT_TRUE(std::isnan(got.standard_deviation()));
    return;
  }
  EXPECT_EQ(got.min, static_cast<double>(want.min));
  EXPECT_EQ(got.max, static_cast<double>(want.max));
  EXPECT_FALSE(std::signbit(got.min) && got.min == 0) << "-0 shows as 0";
  const long double largest = std::max(std::abs(want.min), std::abs(want.max));
  const long double spread = std::max(want.standard_deviation, largest * 0x1p-52L);
  EXPECT_LE(std::abs(static_cast<long double>(got.mean()) - want.mean),
            tolerance * spread + std::abs(want.mean) * 0x1p-52L)
      << got.mean() << " for " << want.mean;
  EXPECT_LE(std::abs(static_cast<long double>(got.standard_deviation()) - want.standard_deviation),
            tolerance * spread + largest * 0x1p-52L)  // a value's own rounding
      << got.standard_deviation() << " for " << want.standard_deviation;
}

// Squares of 8 and 16 bits are added in float, whose rounding is 2^-24 at worst each.
double tolerance_of(DType dtype) {
  switch (dtype) {
    case DType::BF16:
    case DType::F16:
    case DType::F8_E4M3:
    case DType::F8_E5M2: return 0x1p-23;
    default: return 1e-12;
  }
}

// On every target: like the reference, and the same bits as on the first.
void check(DType dtype, const Bytes& elements) {
  const auto want = reference::stats(reference::values(dtype, elements));
  StatsAccumulator first;
  const auto targets = simd_targets();
  for (const int64_t target : targets) {
    SCOPED_TRACE(testing::Message() << name(dtype) << ", " << elements.size() << " bytes on "
                                    << hwy::TargetName(target));
    const UseTarget use(target);
    const StatsAccumulator got = stats(dtype, elements);
    expect_matches(got, want, tolerance_of(dtype));
    if (target == targets.front()) first = got;
    EXPECT_TRUE(same_bits(got, first));
  }
}

constexpr DType kFloats[] = {DType::BF16, DType::F16, DType::F32, DType::F64, DType::C64};

TEST(Stats, SeveralTargetsAreTested) {
  const auto compiled = compiled_simd_targets();
  EXPECT_NE(std::find(compiled.begin(), compiled.end(), used_simd_target()), compiled.end());
  // One of them is used when no target is forced, and another one can be.
  for (const int64_t target : simd_targets()) {
    const UseTarget use(target);
    EXPECT_EQ(used_simd_target(), hwy::TargetName(target));
  }
}

// T16, T34: any bits, so NaN, infinities, subnormals and both zeros among them.
TEST(Stats, EveryDTypeOnRandomBits) {
  for (const DTypeInfo& row : dtypes()) {
    if (!row.in_safetensors()) continue;
    check(row.dtype, random_bytes(size_t{24} * 4097, 1));
    check(row.dtype, random_bytes(size_t{24} * 4096 * 3, 2));
  }
}

TEST(Stats, EveryShortLength) {
  for (const DTypeInfo& row : dtypes()) {
    if (!row.in_safetensors()) continue;
    for (size_t blocks = 0; blocks <= 70; ++blocks)
      check(row.dtype, random_bytes(blocks * row.block_bytes, static_cast<unsigned>(blocks)));
    for (const size_t blocks : {127u, 128u, 129u, 4095u, 4096u, 4097u, 16385u})
      check(row.dtype, random_bytes(blocks * row.block_bytes, static_cast<unsigned>(blocks)));
  }
}

TEST(Stats, AnyAlignment) {
  for (const DTypeInfo& row : dtypes()) {
    if (!row.in_safetensors()) continue;
    const Bytes aligned = random_bytes(size_t{row.block_bytes} * 999, 3);
    for (size_t offset = 1; offset < 16; ++offset) {
      Bytes shifted(offset + aligned.size());
      std::copy(aligned.begin(), aligned.end(), shifted.begin() + static_cast<ptrdiff_t>(offset));
      for (const int64_t target : simd_targets()) {
        const UseTarget use(target);
        EXPECT_TRUE(same_bits(stats(row.dtype, std::span<const std::byte>(shifted).subspan(offset)),
                              stats(row.dtype, aligned)))
            << row.name << " + " << offset << " on " << hwy::TargetName(target);
      }
    }
  }
}

// T34
TEST(Stats, SpecialValues) {
  constexpr double kInf = std::numeric_limits<double>::infinity();
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  const struct {
    std::string what;
    std::vector<double> numbers;
  } kCases[] = {
      {"all NaN", std::vector<double>(300, kNan)},
      {"all infinite", {kInf, -kInf, kInf}},
      {"NaN first", {kNan, 1, 2, 3}},
      {"NaN last", {1, 2, 3, kNan}},
      {"negative infinity only", {1, -kInf, 2}},
      {"zeros of both signs", {0.0, -0.0, 0.0, -0.0}},
      {"negative zero alone", {-0.0}},
      {"only negative", {-1, -2, -3}},
      {"only positive", {3, 1, 2}},
      {"constant", std::vector<double>(5000, 0.1)},
      {"constant but one",
       [] {
         std::vector<double> numbers(5000, 1.0);
         numbers[4321] = 1.0078125;
         return numbers;
       }()},
      {"largest of f16, and just not", {65504, -65504, 65472}},
  };
  for (const DType dtype : kFloats) {
    for (const auto& [what, numbers] : kCases) {
      SCOPED_TRACE(what);
      auto even = numbers;
      if (dtype == DType::C64 && even.size() % 2 != 0) even.push_back(numbers.front());
      check(dtype, encode(dtype, even));
    }
  }
}

// T34
TEST(Stats, OneOutlierAnywhere) {
  for (const DType dtype : {DType::BF16, DType::F32, DType::F64, DType::C64}) {
    for (const size_t at : {0u, 1u, 4999u, 9999u}) {
      auto numbers = gaussian(10000, 0, 0.02);
      numbers[at] = 1e30;
      check(dtype, encode(dtype, numbers));
    }
  }
  // In f16, large enough to swallow the others' digits if it were what they are measured from.
  for (const size_t at : {0u, 5000u, 9999u}) {
    auto numbers = gaussian(10000, 0, 0.02);
    numbers[at] = 100;
    check(DType::F16, encode(DType::F16, numbers));
  }
}

// Random codes hold a NaN soon, and so never take the way that weights do.
TEST(Stats, BytesOfWeights) {
  for (const DType dtype : {DType::F8_E4M3, DType::F8_E5M2}) {
    for (const size_t count : {1u, 31u, 255u, 256u, 257u, 8191u, 40000u}) {
      for (const uint8_t largest :
           {uint8_t{0x30}, uint8_t{0x7B}}) {  // 0.5, and the largest finite one of E5M2
        Bytes codes = random_bytes(count, largest);
        for (std::byte& code : codes)
          if ((code & std::byte{0x7F}) > std::byte{largest}) code &= std::byte{0x9F};
        check(dtype, codes);
        codes[count / 2] = std::byte{0x7F};  // NaN in both
        check(dtype, codes);
      }
      check(dtype, Bytes(count, std::byte{0x80}));
      check(dtype, Bytes(count, std::byte{0x01}));  // the smallest subnormal
      check(dtype, Bytes(count, std::byte{0xFB}));
    }
    Bytes every;
    for (int code = 0; code < 0x7C; ++code)
      for (const int sign : {0, 0x80}) every.push_back(static_cast<std::byte>(code | sign));
    check(dtype, every);
  }
}

TEST(Stats, SpreadSmallAgainstTheMean) {
  // A sum of squares in double would have no digit left of a deviation of 1e-9 of the mean.
  check(DType::F64, encode(DType::F64, gaussian(50000, 1e6, 1e-3)));
  check(DType::F32, encode(DType::F32, gaussian(50000, 1000, 0.01)));
  check(DType::F16, encode(DType::F16, gaussian(50000, 1, 0.004)));
  check(DType::BF16, encode(DType::BF16, gaussian(50000, 1, 0.02)));
  check(DType::I64, bytes_of(std::vector<int64_t>{INT64_MAX, INT64_MAX - 1, INT64_MAX - 5}));
  check(DType::U64, bytes_of(std::vector<uint64_t>{UINT64_MAX, UINT64_MAX - 7, UINT64_MAX - 5}));
  check(DType::I64, bytes_of(std::vector<int64_t>{INT64_MIN, INT64_MAX, 0, 0}));
}

// T34: where squares leave the range of float, or of double.
TEST(Stats, ExtremeMagnitudes) {
  for (const double scale : {1e-40, 1e-30, 1e-14, 1e18, 1e19, 1e30, 3e37}) {
    auto numbers = gaussian(9000, 0, 1);
    for (auto& number : numbers) number *= scale;
    check(DType::BF16, encode(DType::BF16, numbers));
    check(DType::F32, encode(DType::F32, numbers));
  }
  for (const double scale : {1e-300, 1e-200, 1e-120, 1e120, 1e200, 1e307}) {
    auto numbers = gaussian(9000, 0, 1);
    for (auto& number : numbers) number *= scale;
    check(DType::F64, encode(DType::F64, numbers));
  }
  check(DType::F64, encode(DType::F64, std::vector<double>(3, 5e-324)));
  check(DType::F64, encode(DType::F64, {1.7e308, -1.7e308, 1.7e308, -1.7e308}));
  // Blocks of different scale.
  std::vector<double> mixed = gaussian(kStatsBlockElements, 0, 1e-300);
  mixed.resize(2 * kStatsBlockElements, 1e300);
  mixed.resize(3 * kStatsBlockElements, 1.0);
  check(DType::F64, encode(DType::F64, mixed));
}

// T36: pieces may be cut where threads and buffers want them.
TEST(Stats, PiecesDoNotChangeTheBits) {
  for (const DTypeInfo& row : dtypes()) {
    if (!row.in_safetensors()) continue;
    const size_t block_bytes = kStatsBlockElements / row.block_elements * row.block_bytes;
    const Bytes elements = random_bytes(block_bytes * 3 + row.block_bytes * 17u, 5);
    const StatsAccumulator whole = stats(row.dtype, elements);
    for (const size_t blocks : {1u, 2u, 3u}) {
      StatsAccumulator pieces;
      std::span<const std::byte> rest = elements;
      while (!rest.empty()) {
        const auto piece = rest.first(std::min(rest.size(), blocks * block_bytes));
        add_stats(row.dtype, piece, pieces);
        rest = rest.subspan(piece.size());
      }
      EXPECT_TRUE(same_bits(pieces, whole)) << row.name << " in pieces of " << blocks;
    }
  }
}

TEST(Stats, MergingMatchesTheWhole) {
  const auto numbers = gaussian(30000, 3, 2);
  const Bytes all = encode(DType::F32, numbers);
  StatsAccumulator merged;
  merged.merge(StatsAccumulator{});
  for (size_t first = 0; first < all.size(); first += 1004)
    merged.merge(stats(DType::F32, std::span<const std::byte>(all).subspan(
                                       first, std::min<size_t>(1004, all.size() - first))));
  merged.merge(StatsAccumulator{});
  expect_matches(merged, reference::stats(reference::values(DType::F32, all)),
                 tolerance_of(DType::F32));
}

TEST(Histogram, EveryFiniteValueFallsIntoItsBucket) {
  const auto buckets_of = [](const std::vector<float>& values, double low, double high,
                             size_t count) {
    std::vector<uint64_t> buckets(count);
    add_histogram(DType::F32, std::as_bytes(std::span(values)), low, high, buckets);
    return buckets;
  };
  constexpr float kInf = std::numeric_limits<float>::infinity();
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  using Counts = std::vector<uint64_t>;
  EXPECT_EQ(buckets_of({0, 1, 2, 3, 4}, 0, 4, 4), (Counts{1, 1, 1, 2})) << "high is in the last";
  EXPECT_EQ(buckets_of({kNan, kInf, -kInf, -1, 5, 2}, 0, 4, 2), (Counts{0, 1}));
  EXPECT_EQ(buckets_of({7, 7, 7}, 7, 7, 3), (Counts{3, 0, 0}));
  EXPECT_EQ(buckets_of({}, 0, 1, 2), (Counts{0, 0}));
  EXPECT_EQ(buckets_of(std::vector<float>(5000, 0.25f), 0, 1, 2), (Counts{5000, 0}));
}

TEST(Histogram, RangesOverAllOfDouble) {
  const std::vector<double> values = {-1.7e308, -1e308, 0, 1e308, 1.7e308};
  std::vector<uint64_t> buckets(2);
  add_histogram(DType::F64, std::as_bytes(std::span(values)), -1.7e308, 1.7e308, buckets);
  EXPECT_EQ(buckets, (std::vector<uint64_t>{2, 3}));
  const std::vector<double> tiny = {0, 5e-324, 1e-323, 1.5e-323};
  std::vector<uint64_t> four(4);
  add_histogram(DType::F64, std::as_bytes(std::span(tiny)), 0, 1.5e-323, four);
  EXPECT_EQ(four[0] + four[1] + four[2] + four[3], 4u);
}

TEST(Histogram, SubByteTypesInPieces) {
  const Bytes elements = random_bytes(3 * 1000, 9);
  for (const DType dtype : {DType::F4, DType::F6_E2M3, DType::F6_E3M2, DType::F8_E4M3}) {
    std::vector<uint64_t> buckets(7), expected(7);
    add_histogram(dtype, elements, -1.75, 1.75, buckets);
    for (const long double value : reference::values(dtype, elements))
      if (value >= -1.75L && value <= 1.75L)
        ++expected[static_cast<size_t>(std::min((value + 1.75L) / 0.5L, 6.0L))];
    EXPECT_EQ(buckets, expected) << name(dtype);
  }
}

}  // namespace
}  // namespace stkit::kernels
