#include "base/memory_budget.h"

#include <gtest/gtest.h>

#include <atomic>
#include <optional>
#include <thread>
#include <vector>

#include "base/parallel.h"

namespace stkit {
namespace {

TEST(MemoryBudget, NeverLendsMoreThanItHas) {
  MemoryBudget budget(100);
  std::atomic<uint64_t> used = 0;
  const auto result = parallel_for(500, 8, nullptr, [&](size_t index, unsigned) -> Result<void> {
    const uint64_t bytes = 1 + index % 60;
    STKIT_ASSIGN(const auto lease, budget.take(bytes));
    EXPECT_LE(used.fetch_add(bytes) + bytes, 100u);
    used.fetch_sub(bytes);
    return {};
  });
  EXPECT_TRUE(result);
  EXPECT_LE(budget.peak_bytes(), 100u);
  EXPECT_GE(budget.peak_bytes(), 60u);
}

TEST(MemoryBudget, WhatIsAboveTheLimitRunsAlone) {
  MemoryBudget budget(100);
  {
    auto huge = budget.take(1'000'000);
    ASSERT_TRUE(huge);
    CancelToken cancelled;
    cancelled.cancel();
    EXPECT_FALSE(budget.take(1, &cancelled));
  }
  EXPECT_TRUE(budget.take(100));
}

TEST(MemoryBudget, ServesInOrderOfArrival) {
  MemoryBudget budget(100);
  auto first = std::make_optional(budget.take(60).value());
  std::atomic<bool> large_done = false;
  CancelToken never;
  std::jthread large([&] {
    const auto lease = budget.take(100, &never);
    large_done = lease.has_value();
  });
  // Whichever of the two came first: the large one is served once the first lease is back.
  std::jthread small([&] { EXPECT_TRUE(budget.take(10, &never)); });
  first.reset();
  large.join();
  EXPECT_TRUE(large_done);
}

TEST(MemoryBudget, AWaiterThatGivesUpLetsTheNextPass) {
  MemoryBudget budget(100);
  auto held = std::make_optional(budget.take(60).value());
  CancelToken cancel;
  Result<void> large_result;
  std::jthread large([&] {
    if (auto lease = budget.take(100, &cancel); !lease) large_result = fail(lease.error());
  });
  std::jthread small([&] { EXPECT_TRUE(budget.take(10)); });
  cancel.cancel();
  large.join();
  small.join();
  ASSERT_FALSE(large_result);
  EXPECT_EQ(large_result.error().code, ErrorCode::Interrupted);
}

}  // namespace
}  // namespace stkit
