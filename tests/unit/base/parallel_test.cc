#include "base/parallel.h"

#include <gtest/gtest.h>

#include <atomic>
#include <new>
#include <string>
#include <vector>

namespace stkit {
namespace {

constexpr unsigned kThreadCounts[] = {0, 1, 2, 8};

TEST(ParallelFor, RunsEveryIndexOnce) {
  for (const unsigned threads : kThreadCounts) {
    std::vector<std::atomic<int>> runs(1000);
    const auto result = parallel_for(runs.size(), threads, nullptr,
                                     [&](size_t index, unsigned worker) -> Result<void> {
                                       EXPECT_LT(worker, std::max(threads, 1u));
                                       runs[index].fetch_add(1);
                                       return {};
                                     });
    EXPECT_TRUE(result);
    for (const auto& run : runs) EXPECT_EQ(run.load(), 1);
  }
}

TEST(ParallelFor, NothingToDoIsDone) {
  EXPECT_TRUE(parallel_for(0, 8, nullptr, [](size_t, unsigned) -> Result<void> {
    return fail(ErrorCode::Internal, "called");
  }));
}

// T63: the same error for any number of threads.
TEST(ParallelFor, ReportsTheLowestFailure) {
  for (int round = 0; round < 50; ++round)
    for (const unsigned threads : kThreadCounts) {
      const auto result =
          parallel_for(200, threads, nullptr, [](size_t index, unsigned) -> Result<void> {
            if (index >= 37) return fail(ErrorCode::Corrupt, std::to_string(index));
            return {};
          });
      ASSERT_FALSE(result);
      EXPECT_EQ(result.error().message, "37");
    }
}

TEST(ParallelFor, StartsNothingAfterAFailure) {
  std::atomic<size_t> started = 0;
  const auto result = parallel_for(1'000'000, 4, nullptr, [&](size_t, unsigned) -> Result<void> {
    ++started;
    return fail(ErrorCode::Corrupt, "bad");
  });
  EXPECT_FALSE(result);
  EXPECT_LE(started.load(), 4u);
}

TEST(ParallelFor, StopsWhenCancelled) {
  for (const unsigned threads : kThreadCounts) {
    CancelToken cancel;
    std::atomic<size_t> started = 0;
    const auto result =
        parallel_for(1'000'000, threads, &cancel, [&](size_t index, unsigned) -> Result<void> {
          ++started;
          if (index == 10) cancel.cancel(ErrorCode::Terminated);
          return {};
        });
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, ErrorCode::Terminated);
    EXPECT_LT(started.load(), 1'000'000u);
  }
}

TEST(ParallelFor, CancelledTooLateIsDone) {
  CancelToken cancel;
  EXPECT_TRUE(parallel_for(3, 1, &cancel, [&](size_t index, unsigned) -> Result<void> {
    if (index == 2) cancel.cancel();
    return {};
  }));
}

// T47
TEST(ParallelFor, RunningOutOfMemoryIsAnError) {
  for (const unsigned threads : kThreadCounts) {
    const auto result = parallel_for(
        8, threads, nullptr, [](size_t, unsigned) -> Result<void> { throw std::bad_alloc(); });
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, ErrorCode::OutOfMemory);
  }
}

TEST(CancelToken, KeepsItsReason) {
  CancelToken cancel;
  EXPECT_TRUE(cancel.check());
  cancel.cancel();
  ASSERT_FALSE(cancel.check());
  EXPECT_EQ(cancel.check().error().code, ErrorCode::Interrupted);
  EXPECT_EQ(name(ItemState::Verifying), "verifying");
}

TEST(ThreadCount, DefaultsToTheCores) {
  EXPECT_EQ(thread_count({.threads = 7}), 7u);
  EXPECT_EQ(thread_count({}), usable_cores());
  EXPECT_GE(usable_cores(), 1u);
}

}  // namespace
}  // namespace stkit
