// T34, T36: the kernels give the reference's bytes, on every SIMD target, for every kind of data.
#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <limits>
#include <string>

#include "kernels/block_reference.h"
#include "kernels/encode.h"
#include "quant_inputs.h"

namespace stkit {
namespace {

constexpr DType kTypes[] = {DType::Q4_0,   DType::Q4_1,   DType::Q5_0, DType::Q5_1, DType::Q8_0,
                            DType::Q2_K,   DType::Q3_K,   DType::Q4_K, DType::Q5_K, DType::Q6_K,
                            DType::IQ4_NL, DType::IQ4_XS, DType::MXFP4};

// Runs `body` once for each SIMD target that this CPU has.
void on_every_target(const std::function<void(const std::string&)>& body) {
  const int64_t supported = hwy::SupportedTargets();
  for (int64_t left = supported; left != 0; left &= left - 1) {
    const int64_t target = left & -left;
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().Update(target);
    body(hwy::TargetName(target));
  }
  hwy::SetSupportedTargetsForTest(0);
  hwy::GetChosenTarget().Update(supported);
}

void expect_equal_blocks(DType type, std::span<const float> x, size_t columns,
                         std::span<const float> importance, const std::string& what) {
  const size_t block_bytes = info(type).block_bytes;
  const size_t row_bytes = *storage_bytes(type, columns);
  std::vector<std::byte> expected(*storage_bytes(type, x.size()));
  for (size_t row = 0; row < x.size() / columns; ++row)
    kernels::reference::encode_row(type, x.subspan(row * columns, columns), importance,
                                   std::span(expected).subspan(row * row_bytes, row_bytes));
  on_every_target([&](const std::string& target) {
    std::vector<std::byte> actual(expected.size());
    kernels::encode_rows(type, x, columns, importance, actual);
    int different = 0;
    for (size_t i = 0; i < actual.size(); i += block_bytes)
      different += std::memcmp(&actual[i], &expected[i], block_bytes) != 0;
    EXPECT_EQ(different, 0) << name(type) << ' ' << what << " on " << target << ", "
                            << (importance.empty() ? "plain" : "imatrix");
  });
}

struct Data {
  const char* name;
  float (*make)(test::SplitMix64& random, size_t i);
};

float scaled(test::SplitMix64& random, double scale) {
  return static_cast<float>(random.gaussian() * scale);
}

constexpr Data kData[] = {
    {"gaussian", [](test::SplitMix64& r, size_t) { return scaled(r, 0.02); }},
    {"row scales",
     [](test::SplitMix64& r, size_t i) {
       return scaled(r, std::exp2(static_cast<double>(i / 512 % 40) - 20));
     }},
    {"outliers", [](test::SplitMix64& r, size_t i) { return scaled(r, i % 97 == 0 ? 5 : 0.02); }},
    {"uniform", [](test::SplitMix64& r, size_t) { return static_cast<float>(r.uniform() - 0.5); }},
    {"positive", [](test::SplitMix64& r, size_t) { return static_cast<float>(r.uniform()); }},
    {"negative", [](test::SplitMix64& r, size_t) { return -1 - static_cast<float>(r.uniform()); }},
    {"narrow at -100", [](test::SplitMix64& r, size_t) { return -100 + scaled(r, 1e-4); }},
    {"sparse",
     [](test::SplitMix64& r, size_t) { return r.next() % 8 == 0 ? scaled(r, 0.02) : 0.0f; }},
    {"signed zeros", [](test::SplitMix64& r, size_t) { return r.next() % 2 == 0 ? 0.0f : -0.0f; }},
    {"constant", [](test::SplitMix64&, size_t i) { return static_cast<float>(i / 256) - 4; }},
    {"half-integer grid",
     [](test::SplitMix64& r, size_t) { return (static_cast<float>(r.next() % 64) - 32) * 0.5f; }},
    {"subnormals", [](test::SplitMix64& r, size_t) { return scaled(r, 1e-40); }},
    {"tiny", [](test::SplitMix64& r, size_t) { return scaled(r, 1e-20); }},
    {"huge", [](test::SplitMix64& r, size_t) { return scaled(r, 1e30); }},
    {"bf16", [](test::SplitMix64& r,
                size_t) { return kernels::from_bf16(kernels::to_bf16(scaled(r, 0.02))); }},
    {"f16 limits",
     [](test::SplitMix64& r, size_t i) {
       return i % 32 == 0 ? 65504.0f : i % 32 == 1 ? -65520.0f : scaled(r, 100);
     }},
    {"NaN and infinities",
     [](test::SplitMix64& r, size_t i) {
       if (i % 1021 == 5) return std::numeric_limits<float>::infinity();
       if (i % 1499 == 7) return -std::numeric_limits<float>::infinity();
       if (i % 1777 == 9) return std::numeric_limits<float>::quiet_NaN();
       return scaled(r, 0.02);
     }},
    {"random bits of finite values",
     [](test::SplitMix64& r, size_t) {
       const auto bits = static_cast<uint32_t>(r.next() >> 32);
       return std::bit_cast<float>((bits & 0x7F800000) == 0x7F800000 ? bits ^ 0x40000000 : bits);
     }},
};

constexpr size_t kColumns = 512, kRows = 48;

// STKIT_ENCODE_BLOCKS asks for more: so many super-blocks of each type, in other rounds of the same
// kinds of data. 10,000,000 take some hours of one core.
size_t rounds() {
  const char* const blocks = std::getenv("STKIT_ENCODE_BLOCKS");
  constexpr size_t kBlocksARound = std::size(kData) * kRows * kColumns / 256;
  return blocks == nullptr ? 1 : std::strtoull(blocks, nullptr, 10) / kBlocksARound + 1;
}

void expect_equal_round(uint64_t seed) {
  for (const Data& data : kData) {
    test::SplitMix64 random(seed);
    std::vector<float> x(kColumns * kRows), importance(kColumns);
    for (size_t i = 0; i < x.size(); ++i) x[i] = data.make(random, i);
    for (float& w : importance) w = static_cast<float>(random.uniform());
    for (const DType type : kTypes) {
      expect_equal_blocks(type, x, kColumns, {}, data.name);
      expect_equal_blocks(type, x, kColumns, importance, data.name);
    }
  }
}

TEST(EncodeRows, EqualsTheReferenceOnEveryTarget) {
  for (size_t round = 0; round < rounds() && !::testing::Test::HasFailure(); ++round)
    expect_equal_round(7 + round);
}

TEST(EncodeRows, AnyNumberOfBlocks) {
  test::SplitMix64 random(11);
  std::vector<float> x(256 * 9);
  for (float& value : x) value = scaled(random, 0.02);
  for (size_t blocks = 1; blocks <= 9; ++blocks)
    for (const DType type : kTypes)
      expect_equal_blocks(type, std::span(x).first(256 * blocks), 256 * blocks, {},
                          std::to_string(blocks) + " blocks");
}

}  // namespace
}  // namespace stkit
