#include "kernels/error_sums.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "kernels/block_scale_check.h"
#include "kernels/encode.h"
#include "kernels/magnitude.h"
#include "quant_inputs.h"
#include "simd_targets.h"

namespace stkit {
namespace {

void on_every_target(const std::function<void(const std::string&)>& body) {
  for (const int64_t target : test::simd_targets()) {
    const test::UseTarget use(target);
    body(hwy::TargetName(target));
  }
}

// T36: any length, the same bits on every target.
TEST(ErrorSums, SameBitsOnEveryTarget) {
  test::SplitMix64 random(3);
  std::vector<float> x(1000), y(1000);
  for (size_t i = 0; i < x.size(); ++i) {
    x[i] = static_cast<float>(random.gaussian());
    y[i] = x[i] + static_cast<float>(random.gaussian() * 0.01);
  }
  for (const size_t count : {0u, 1u, 7u, 8u, 9u, 31u, 256u, 999u, 1000u}) {
    const auto a = std::span(x).first(count), b = std::span(y).first(count);
    double squares = 0, error_squares = 0, max_error = 0;
    for (size_t i = 0; i < count; ++i) {
      const double d = static_cast<double>(a[i]) - static_cast<double>(b[i]);
      squares += static_cast<double>(a[i]) * static_cast<double>(a[i]);
      error_squares += d * d;
      max_error = std::max(max_error, std::fabs(d));
    }
    kernels::ErrorSums first;
    bool is_first = true;
    on_every_target([&](const std::string& target) {
      kernels::ErrorSums sums;
      kernels::add_errors(a, b, sums);
      EXPECT_EQ(sums.count, count);
      EXPECT_NEAR(sums.squares, squares, 1e-12 * (1 + squares)) << target;
      EXPECT_NEAR(sums.error_squares, error_squares, 1e-12 * (1 + squares)) << target;
      EXPECT_EQ(sums.max_error, max_error) << target;
      if (is_first) first = sums;
      is_first = false;
      EXPECT_EQ(sums.squares, first.squares) << target;
      EXPECT_EQ(sums.error_squares, first.error_squares) << target;
      EXPECT_EQ(sums.products, first.products) << target;
    });
  }
}

TEST(LargestMagnitude, AnywhereAndNotFinite) {
  EXPECT_EQ(kernels::largest_magnitude({}), 0);
  constexpr float kInf = std::numeric_limits<float>::infinity();
  for (const size_t count : {1u, 15u, 16u, 17u, 64u, 100u}) {
    std::vector<float> values(count, -2.5f);
    on_every_target([&](const std::string& target) {
      EXPECT_EQ(kernels::largest_magnitude(values), 2.5f) << target;
      for (float& value : values) {
        value = -3.4e38f;
        EXPECT_EQ(kernels::largest_magnitude(values), 3.4e38f) << target;
        value = -kInf;
        EXPECT_EQ(kernels::largest_magnitude(values), kInf) << target;
        value = std::numeric_limits<float>::quiet_NaN();
        EXPECT_TRUE(std::isnan(kernels::largest_magnitude(values))) << target;
        value = -2.5f;
      }
    });
  }
}

TEST(BlockScales, InfiniteOnesAreFound) {
  for (const DType type :
       {DType::Q4_0, DType::Q4_1, DType::Q5_0, DType::Q5_1, DType::Q8_0, DType::Q2_K, DType::Q3_K,
        DType::Q4_K, DType::Q5_K, DType::Q6_K, DType::IQ4_NL, DType::IQ4_XS}) {
    std::vector<float> x(1024, 0.5f);
    for (size_t i = 0; i < x.size(); i += 3) x[i] = -1;
    std::vector<std::byte> blocks(*storage_bytes(type, x.size()));
    kernels::encode_rows(type, x, x.size(), {}, blocks);
    EXPECT_FALSE(kernels::first_block_without_scale(type, blocks)) << name(type);
    x[600] = 1e10f;
    kernels::encode_rows(type, x, x.size(), {}, blocks);
    EXPECT_EQ(kernels::first_block_without_scale(type, blocks), 600 / info(type).block_elements)
        << name(type);
  }
  std::vector<std::byte> mxfp4(3 * info(DType::MXFP4).block_bytes);
  EXPECT_FALSE(kernels::first_block_without_scale(DType::MXFP4, mxfp4));
  mxfp4[2 * info(DType::MXFP4).block_bytes] = std::byte{0xFF};
  EXPECT_EQ(kernels::first_block_without_scale(DType::MXFP4, mxfp4), 2u);
}

}  // namespace
}  // namespace stkit
