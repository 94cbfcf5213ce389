#include "io/write_back.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include <fmt/format.h>

#include "io_test.h"
#include "support/temp_dir.h"

namespace stkit {
namespace {

using Calls = std::vector<std::string>;

constexpr uint64_t kMiB = uint64_t{1} << 20;

class RecordedCalls final : public SystemCalls {
 public:
  int sync_range(int, off_t offset, off_t size, unsigned flags) override {
    const bool waits = (flags & SYNC_FILE_RANGE_WAIT_AFTER) != 0;
    calls.push_back(fmt::format("{} {}+{}", waits ? "wait" : "start", offset >> 20, size >> 20));
    if (failure == 0 || !waits) return 0;
    errno = failure;
    return -1;
  }
  int advise(int, off_t offset, off_t size, int advice) override {
    EXPECT_EQ(advice, POSIX_FADV_DONTNEED);
    calls.push_back(fmt::format("drop {}+{}", offset >> 20, size >> 20));
    return 0;
  }
  Calls calls;
  int failure = 0;
};

class WriteBackTest : public testing::Test {
 protected:
  Result<void> write(WriteBack::Kind kind, uint64_t bytes) {
    auto output = AtomicOutput::create(calls_, dir_ / "out", 1, {.overwrite = true}).value();
    WriteBack write_back(*output, kind);
    calls_.calls.clear();
    for (; bytes > 0; bytes -= kMiB) STKIT_TRY(write_back.add(kMiB));
    return {};
  }

  test::TempDir dir_;
  RecordedCalls calls_;
};

TEST_F(WriteBackTest, LeavesSmallOutputsAlone) {
  ASSERT_TRUE(write(WriteBack::Kind::Drop, 63 * kMiB));
  EXPECT_EQ(calls_.calls, Calls{});
  ASSERT_TRUE(write(WriteBack::Kind::None, 640 * kMiB));
  EXPECT_EQ(calls_.calls, Calls{});
}

TEST_F(WriteBackTest, StartsEarly) {
  ASSERT_TRUE(write(WriteBack::Kind::Early, 130 * kMiB));
  EXPECT_EQ(calls_.calls, (Calls{"start 0+32", "start 32+32", "start 64+32"}));
}

TEST_F(WriteBackTest, DropsWhatIsOnTheDisk) {
  ASSERT_TRUE(write(WriteBack::Kind::Drop, 192 * kMiB));
  EXPECT_EQ(calls_.calls,
            (Calls{"start 0+32", "start 32+32", "start 64+32", "start 96+32", "wait 0+32",
                   "drop 0+32", "start 128+32", "wait 32+32", "drop 32+32"}));
}

// T39: the kernel would not tell the final sync again.
TEST_F(WriteBackTest, AFailedWriteIsNotForgotten) {
  calls_.failure = EIO;
  const auto result = write(WriteBack::Kind::Drop, 192 * kMiB);
  test::expect_error(result, ErrorCode::WriteFailed, "cannot be written at byte 0: input/output");
  calls_.failure = ENOSPC;
  test::expect_error(write(WriteBack::Kind::Drop, 192 * kMiB), ErrorCode::NoSpace,
                     "cannot be written at byte 0: no space left");
  calls_.failure = ENOSYS;
  EXPECT_TRUE(write(WriteBack::Kind::Drop, 192 * kMiB));
}

TEST_F(WriteBackTest, SourcesAreDroppedOnceTheyAreBehind) {
  for (uint64_t done = 0; done < 40 * kMiB; done += kMiB) drop_behind(calls_, 0, done, kMiB);
  EXPECT_EQ(calls_.calls, (Calls{"drop 0+8", "drop 8+8", "drop 16+8", "drop 24+8"}));
  calls_.calls.clear();
  drop_behind(calls_, 0, 100 * kMiB, 100);
  EXPECT_EQ(calls_.calls, Calls{});
}

}  // namespace
}  // namespace stkit
