#include "quant/fit.h"

#include <gtest/gtest.h>

#include <limits>

#include "unit/kernels/quant_inputs.h"

namespace stkit::quant {
namespace {

using Tensors = std::vector<std::vector<FitCandidate>>;

struct Total {
  uint64_t bytes = 0;
  double error = 0;
};

Total total(const Tensors& tensors, const std::vector<size_t>& choice) {
  Total sum;
  for (size_t i = 0; i < tensors.size(); ++i) {
    sum.bytes += tensors[i][choice[i]].bytes;
    sum.error += tensors[i][choice[i]].error;
  }
  return sum;
}

double least_error(const Tensors& tensors, uint64_t budget) {
  double best = std::numeric_limits<double>::infinity();
  std::vector<size_t> choice(tensors.size());
  while (true) {
    const Total sum = total(tensors, choice);
    if (sum.bytes <= budget) best = std::min(best, sum.error);
    size_t i = 0;
    while (i < choice.size() && ++choice[i] == tensors[i].size()) choice[i++] = 0;
    if (i == choice.size()) return best;
  }
}

TEST(Fit, GivesBytesToTheTensorThatTheyHelpMost) {
  const Tensors tensors = {{{10, 1}, {20, 0.9}}, {{10, 5}, {20, 1}}};
  EXPECT_EQ(fit_to_size(tensors, 30), (std::vector<size_t>{0, 1}));
  EXPECT_EQ(fit_to_size(tensors, 39), (std::vector<size_t>{0, 1}));
  EXPECT_EQ(fit_to_size(tensors, 40), (std::vector<size_t>{1, 1}));
}

TEST(Fit, SaysWhenNothingFits) {
  const Tensors tensors = {{{10, 1}, {20, 0}}, {{10, 1}}};
  EXPECT_EQ(fit_to_size(tensors, 19), std::nullopt);
  EXPECT_EQ(fit_to_size(tensors, 20), (std::vector<size_t>{0, 0}));
}

TEST(Fit, NeverTakesMoreBytesForMoreError) {
  const Tensors tensors = {{{10, 1}, {15, 2}, {20, 0.5}}};
  EXPECT_EQ(fit_to_size(tensors, 15), (std::vector<size_t>{0}));
  EXPECT_EQ(fit_to_size(tensors, 1000), (std::vector<size_t>{2}));
}

// Against all choices there are: never too large, and off by less than one upgrade.
TEST(Fit, IsOffByLessThanOneUpgradeFromTheBest) {
  test::SplitMix64 random(7);
  for (int round = 0; round < 200; ++round) {
    Tensors tensors(4);
    uint64_t smallest = 0, largest = 0;
    double largest_gain = 0;
    for (auto& candidates : tensors) {
      uint64_t bytes = 0;
      double error = 100 * random.uniform();
      for (int i = 0; i < 4; ++i) {
        bytes += 1 + static_cast<uint64_t>(50 * random.uniform());
        candidates.push_back({bytes, error});
        error *= random.uniform();
      }
      smallest += candidates.front().bytes;
      largest += candidates.back().bytes;
      largest_gain = std::max(largest_gain, candidates.front().error - candidates.back().error);
    }
    const uint64_t budget =
        smallest +
        static_cast<uint64_t>(static_cast<double>(largest - smallest) * random.uniform());
    const auto choice = fit_to_size(tensors, budget);
    ASSERT_TRUE(choice.has_value());
    const Total sum = total(tensors, *choice);
    EXPECT_LE(sum.bytes, budget);
    EXPECT_LE(sum.error, least_error(tensors, budget) + largest_gain);
  }
}

}  // namespace
}  // namespace stkit::quant
