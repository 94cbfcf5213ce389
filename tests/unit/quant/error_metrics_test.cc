#include "quant/error_metrics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

namespace stkit::quant {
namespace {

kernels::ErrorSums sums_of(const std::vector<float>& x, const std::vector<float>& y) {
  kernels::ErrorSums sums;
  kernels::add_errors(x, y, sums);
  return sums;
}

TEST(ErrorMetrics, ByHand) {
  const ErrorMetrics errors = error_metrics(sums_of({3, 4}, {3, 2}));
  EXPECT_DOUBLE_EQ(errors.rmse, std::sqrt(2.0));
  EXPECT_DOUBLE_EQ(errors.relative_rmse, 2.0 / 5);
  EXPECT_DOUBLE_EQ(errors.cosine_similarity, 17 / (5 * std::sqrt(13.0)));
  EXPECT_DOUBLE_EQ(errors.sqnr_db, 10 * std::log10(25.0 / 4));
  EXPECT_DOUBLE_EQ(errors.max_abs_error, 2);
}

TEST(ErrorMetrics, NothingLost) {
  for (const auto& values : {std::vector<float>{}, std::vector<float>{0, 0}, {1, -2}}) {
    const ErrorMetrics errors = error_metrics(sums_of(values, values));
    EXPECT_EQ(errors.rmse, 0);
    EXPECT_EQ(errors.cosine_similarity, 1);
    EXPECT_EQ(errors.sqnr_db, std::numeric_limits<double>::infinity());
  }
}

TEST(ErrorMetrics, AllLost) {
  const ErrorMetrics errors = error_metrics(sums_of({1, -1}, {0, 0}));
  EXPECT_EQ(errors.cosine_similarity, 0);
  EXPECT_EQ(errors.relative_rmse, 1);
}

TEST(OrderedErrorSums, AnyOrderOfThePieces) {
  // Sums of these in another order round differently.
  const kernels::ErrorSums pieces[] = {{10, 1e16, 1, 0, 1}, {10, 1, 1, 0, 3}, {5, -1e16, 1, 0, 2}};
  const uint64_t first[] = {0, 10, 20};
  for (const auto& order : {std::vector{0, 1, 2}, {2, 1, 0}, {1, 2, 0}, {2, 0, 1}}) {
    OrderedErrorSums sums;
    for (const int i : order) sums.add(first[i], pieces[i]);
    EXPECT_EQ(sums.total().count, 25u);
    EXPECT_EQ(sums.total().squares, (1e16 + 1) - 1e16);
    EXPECT_EQ(sums.total().max_error, 3);
  }
}

}  // namespace
}  // namespace stkit::quant
