#include "formats/torch_part.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace stkit {
namespace {

using Runs = std::vector<IndexRun>;

constexpr auto kShard = Placement::Kind::Shard;
constexpr auto kStrided = Placement::Kind::StridedShard;

Runs rows(uint64_t count, std::vector<Placement> placements, MeshPlace mesh,
          std::vector<std::vector<size_t>> order = {}) {
  return dealt_runs({count}, placements, mesh, order).at(0);
}

TEST(TorchPart, ShardsAreCutAsTorchChunkCuts) {
  const std::vector<Placement> by_rows = {{kShard, 0, 1}};
  EXPECT_EQ(rows(7, by_rows, {{3}, {0}}), (Runs{{0, 3}}));
  EXPECT_EQ(rows(7, by_rows, {{3}, {2}}), (Runs{{6, 1}}));
  EXPECT_EQ(rows(4, by_rows, {{3}, {2}}), Runs());  // 2, 2, 0
  EXPECT_EQ(rows(0, by_rows, {{3}, {0}}), Runs());
  EXPECT_EQ(rows(7, {{}}, {{3}, {1}}), (Runs{{0, 7}}));
}

// The mesh's first dimension cuts what its second one left over.
TEST(TorchPart, FsdpOverTensorParallelismCutsFromTheRight) {
  const std::vector<Placement> both = {{kStrided, 0, 2}, {kShard, 0, 1}};
  // Of 7 rows, tensor parallelism gives 4 and 3; FSDP cuts those into 2, 2, 0 and 1, 1, 1.
  EXPECT_EQ(rows(7, both, {{3, 2}, {0, 0}}), (Runs{{0, 2}}));
  EXPECT_EQ(rows(7, both, {{3, 2}, {1, 0}}), (Runs{{2, 2}}));
  EXPECT_EQ(rows(7, both, {{3, 2}, {2, 0}}), Runs());
  EXPECT_EQ(rows(7, both, {{3, 2}, {0, 1}}), (Runs{{4, 1}}));
  EXPECT_EQ(rows(7, both, {{3, 2}, {2, 1}}), (Runs{{6, 1}}));
}

TEST(TorchPart, AStrideByItselfTakesARunOfEveryPiece) {
  const std::vector<Placement> strided = {{kStrided, 0, 2}};
  // The example in PyTorch's own source: 9 rows in 2 pieces, each for 4 processes.
  EXPECT_EQ(rows(9, strided, {{4}, {0}}), (Runs{{0, 2}, {5, 1}}));
  EXPECT_EQ(rows(9, strided, {{4}, {1}}), (Runs{{2, 2}, {6, 1}}));
  EXPECT_EQ(rows(9, strided, {{4}, {3}}), (Runs{{8, 1}}));
}

TEST(TorchPart, TheOrderThatAFileGivesCounts) {
  const std::vector<Placement> both = {{kShard, 0, 1}, {kShard, 0, 1}};
  EXPECT_EQ(rows(8, both, {{2, 4}, {1, 0}}), (Runs{{4, 1}}));
  EXPECT_EQ(rows(8, both, {{2, 4}, {1, 0}}, {{1, 0}}), (Runs{{1, 1}}));
}

// Whatever the placements: all places of a mesh together hold every row once.
TEST(TorchPart, AllProcessesTogetherHoldEverythingOnce) {
  for (uint64_t count = 0; count < 30; ++count)
    for (uint64_t a = 1; a < 5; ++a)
      for (uint64_t b = 1; b < 5; ++b)
        for (const Placement& first :
             {Placement{kShard, 0, 1}, Placement{kStrided, 0, b}, Placement{kStrided, 0, b + 1}}) {
          std::vector<int> seen(count);
          for (uint64_t i = 0; i < a; ++i)
            for (uint64_t j = 0; j < b; ++j)
              for (const IndexRun& run : rows(count, {first, {kShard, 0, 1}}, {{a, b}, {i, j}}))
                for (uint64_t row = run.first; row < run.first + run.count; ++row) ++seen.at(row);
          ASSERT_TRUE(std::ranges::all_of(seen, [](int times) { return times == 1; }))
              << count << " rows over " << a << " x " << b << ", stride " << first.split_factor;
        }
}

}  // namespace
}  // namespace stkit
