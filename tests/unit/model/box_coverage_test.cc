#include "model/box_coverage.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace stkit {
namespace {

using Numbers = std::vector<uint64_t>;

TensorBox box(Numbers origin, Numbers size) {
  TensorBox made{.origin = std::move(origin), .size = std::move(size)};
  made.strides.resize(made.size.size(), 1);
  return made;
}

std::string settled(Numbers shape, std::vector<TensorBox> boxes) {
  BoxedTensor tensor{.shape = std::move(shape), .boxes = std::move(boxes)};
  const auto done = settle_boxes(tensor);
  return done ? "whole" : done.error();
}

TEST(BoxCoverage, KnowsWhatIsWhole) {
  EXPECT_EQ(settled({}, {box({}, {})}), "whole");
  EXPECT_EQ(settled({}, {box({}, {}), box({}, {})}), "whole");  // a replica
  EXPECT_EQ(settled({0, 3}, {}), "whole");
  EXPECT_EQ(settled({0, 3}, {box({0, 0}, {0, 3})}), "whole");
  EXPECT_EQ(settled({3}, {box({0}, {2}), box({2}, {1}), box({3}, {0})}), "whole");
  EXPECT_EQ(settled({}, {}), "its 0 parts hold 0 of its 1 elements");
  EXPECT_EQ(settled({3}, {box({0}, {2})}), "its 1 parts hold 2 of its 3 elements");
  EXPECT_EQ(settled({3}, {box({2}, {2})}), "its part [2] at [2] is outside of [3]");
  EXPECT_EQ(settled({3}, {box({4}, {UINT64_MAX})}),
            "its part [18446744073709551615] at [4] is outside of [3]");
  // As many elements as there should be, but some twice.
  EXPECT_EQ(settled({4}, {box({0}, {2}), box({1}, {2})}),
            "its parts [2] at [0] and [2] at [1] overlap");
}

// Cuts a box in two until it is in pieces; then one of them is lost, or moved onto another.
TEST(BoxCoverage, RandomCutsAreWholeUntilOneIsTouched) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 200; ++round) {
    const Numbers shape = {1 + random() % 9, 1 + random() % 9, 1 + random() % 9};
    std::vector<TensorBox> boxes = {box({0, 0, 0}, shape)};
    for (int cut = 0; cut < 12; ++cut) {
      TensorBox& one = boxes[random() % boxes.size()];
      const size_t along = random() % 3;
      if (one.size[along] < 2) continue;
      const uint64_t first = 1 + random() % (one.size[along] - 1);
      TensorBox rest = one;
      rest.origin[along] += first;
      rest.size[along] -= first;
      one.size[along] = first;
      boxes.push_back(rest);
    }
    ASSERT_EQ(settled(shape, boxes), "whole");
    if (boxes.size() < 2) continue;
    auto less = boxes;
    less.pop_back();
    EXPECT_NE(settled(shape, less).find("parts hold"), std::string::npos);
    auto twice = boxes;
    twice.back().origin = twice.front().origin;
    EXPECT_NE(settled(shape, twice), "whole");
  }
}

}  // namespace
}  // namespace stkit
