#include "io/assembly.h"

#include <gtest/gtest.h>

#include <atomic>

#include "assembly_case.h"
#include "io/block_sharing.h"
#include "io_test.h"

namespace stkit {
namespace {

using test::AssemblyCase;
using test::expect_error;
using test::random_bytes;

constexpr IoMode kModes[] = {IoMode::Auto, IoMode::Buffered, IoMode::Direct};
constexpr uint64_t kMiB = uint64_t{1} << 20;

void expect_output(const AssemblyCase& one) {
  const std::string output = one.output();
  ASSERT_EQ(output.size(), one.expected().size());
  if (output == one.expected()) return;
  const auto wrong = std::ranges::mismatch(output, one.expected()).in1;
  ADD_FAILURE() << "first difference at " << wrong - output.begin();
}

// T63
TEST(Assembly, TheSameBytesAndPiecesInEveryModeForAnyThreadsAndMemory) {
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    AssemblyCase one;
    test::add_random_segments(one, seed, 40);
    ASSERT_TRUE(one.run(IoMode::Buffered, {.threads = 1}));
    expect_output(one);
    const auto pieces = one.take_pieces();
    for (const IoMode mode : kModes)
      for (const unsigned threads : {1u, 3u, 8u})
        for (const uint64_t memory : {uint64_t{0}, uint64_t{1}, 3 * kMiB}) {
          SCOPED_TRACE(fmt::format("seed {}, {}, {} threads, {} bytes of memory", seed,
                                   io_mode_names()[static_cast<size_t>(mode)], threads, memory));
          const auto report = one.run(mode, {.threads = threads, .max_memory_bytes = memory});
          ASSERT_TRUE(report) << report.error().message;
          expect_output(one);
          EXPECT_EQ(one.take_pieces(), pieces);
        }
  }
}

TEST(Assembly, EveryBlockIsProducedOnce) {
  AssemblyCase one;
  one.add_memory("x");
  one.add_produced(20'000, 144);
  one.add_produced(1, 3 * kMiB);
  one.add_produced(0, 18);
  ASSERT_TRUE(one.run(IoMode::Direct, {.threads = 3}));
  expect_output(one);
  const auto pieces = one.take_pieces();
  constexpr uint64_t kPerPiece = kProducedPieceBytes / 144;
  using Pieces = std::vector<std::pair<uint64_t, size_t>>;
  EXPECT_EQ(pieces[0], (Pieces{{0, kPerPiece * 144},
                               {kPerPiece, kPerPiece * 144},
                               {2 * kPerPiece, (20'000 - 2 * kPerPiece) * 144}}));
  EXPECT_EQ(pieces[1], (Pieces{{0, 3 * kMiB}}));
  EXPECT_EQ(pieces[2], Pieces{});
}

TEST(Assembly, NothingAtAll) {
  AssemblyCase one;
  for (const IoMode mode : kModes) {
    EXPECT_TRUE(one.run(mode, {}));
    expect_output(one);
  }
  one.add_zeros(0);
  EXPECT_TRUE(one.run(IoMode::Auto, {}));
  expect_output(one);
}

class CountsWrites final : public SystemCalls {
 public:
  ssize_t pwrite(int file, std::span<const std::byte> data, off_t offset) override {
    ++writes;
    return SystemCalls::pwrite(file, data, offset);
  }
  std::atomic<int> writes = 0;
};

TEST(Assembly, SmallSegmentsAreWrittenTogether) {
  CountsWrites calls;
  AssemblyCase one(calls);
  one.add_source(random_bytes(9'000, 1));
  for (uint64_t i = 0; i < 5'000; ++i) {
    one.add_copy(0, i, 100 + i % 77);
    one.add_zeros(i % 8);
  }
  ASSERT_TRUE(one.run(IoMode::Buffered, {.threads = 2}));
  expect_output(one);
  EXPECT_LT(calls.writes, 5);
}

struct ItemBytes final : Progress {
  void begin(std::string_view, std::span<const ProgressItem>) override {}
  void advance(uint32_t item, uint64_t count) override { bytes.at(item) += count; }
  void set_state(uint32_t, ItemState) override {}
  void restart(uint32_t, uint64_t) override {}
  void end(bool) override {}
  std::array<std::atomic<uint64_t>, 3> bytes = {};
};

TEST(Assembly, EveryByteAdvancesItsItem) {
  AssemblyCase one;
  test::add_random_segments(one, 9, 60);
  std::array<uint64_t, 3> expected = {};
  for (const Segment& segment : one.segments())
    expected.at(segment.progress_item) += segment.size_bytes;
  for (const IoMode mode : kModes) {
    ItemBytes progress;
    ASSERT_TRUE(one.run(mode, {.threads = 2, .progress = &progress}));
    for (size_t item = 0; item < 3; ++item) EXPECT_EQ(progress.bytes[item], expected[item]);
  }
}

TEST(Assembly, WithoutAnItemNothingAdvances) {
  AssemblyCase one;
  one.add_zeros(100, Segment::kNoItem);
  one.add_memory("abc", 2);
  one.add_zeros(100, Segment::kNoItem);
  ItemBytes progress;
  ASSERT_TRUE(one.run(IoMode::Auto, {.progress = &progress}));
  EXPECT_EQ(progress.bytes[2], 3u);
}

TEST(Assembly, StopsWhenCancelled) {
  AssemblyCase one;
  one.add_produced(20, kMiB);
  CancelToken cancel;
  cancel.cancel(ErrorCode::Terminated);
  for (const IoMode mode : kModes) {
    const auto report = one.run(mode, {.threads = 2, .cancel = &cancel});
    ASSERT_FALSE(report);
    EXPECT_EQ(report.error().code, ErrorCode::Terminated);
    EXPECT_FALSE(std::filesystem::exists(one.output_path()));
  }
  for (const auto& pieces : one.take_pieces()) EXPECT_TRUE(pieces.empty());
}

class CancelsAtThird final : public BlockProducer {
 public:
  explicit CancelsAtThird(CancelToken& cancel) : cancel_(cancel) {}
  Result<void> produce(uint64_t, std::span<std::byte>) override {
    if (++calls == 3) cancel_.cancel();
    return {};
  }
  std::atomic<int> calls = 0;

 private:
  CancelToken& cancel_;
};

TEST(Assembly, StopsBetweenTwoPieces) {
  test::TempDir dir;
  CancelToken cancel;
  CancelsAtThird producer(cancel);
  const Segment all{0, 100 * kMiB, Segment::ProducedBytes{&producer, 1}, Segment::kNoItem};
  auto output = AtomicOutput::create(SystemCalls::real(), dir / "out", 100 * kMiB, {}).value();
  const auto none = [](uint32_t) -> Result<std::shared_ptr<const RandomAccessFile>> {
    return fail(ErrorCode::Internal, "no file");
  };
  const auto report =
      assemble(*output, {&all, 1}, {none, IoMode::Direct, {.threads = 1, .cancel = &cancel}});
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, ErrorCode::Interrupted);
  EXPECT_EQ(producer.calls, 3);
}

// T45
TEST(Assembly, ASourceThatIsTooShort) {
  for (const IoMode mode : kModes) {
    AssemblyCase one;
    one.add_source(random_bytes(300'000, 1));
    one.add_copy(0, 100'000, 200'001);
    expect_error(one.run(mode, {}), ErrorCode::Corrupt,
                 "bytes are needed at byte 100,000, but the file holds 300,000");
    EXPECT_FALSE(std::filesystem::exists(one.output_path()));
  }
}

// T45
TEST(Assembly, ASourceThatShrinks) {
  for (const IoMode mode : kModes) {
    AssemblyCase one;
    one.add_source(random_bytes(900'000, 1));
    one.add_copy(0, 5, 899'995);
    std::filesystem::resize_file(one.dir() / "source-0", 700'123);
    const auto report = one.run(mode, {.threads = 2});
    expect_error(report, ErrorCode::InputChanged,
                 "ends at byte 700,123 now, but held 900,000 bytes when it was opened");
    EXPECT_EQ(report.error().path, (one.dir() / "source-0").string());
  }
}

TEST(Assembly, ReportsWhatWasDone) {
  AssemblyCase one;
  one.add_source(random_bytes(5 * kMiB, 1));
  one.add_memory("12345");
  one.add_copy(0, 0, 5 * kMiB);
  one.add_produced(100, 7);
  const auto buffered = one.run(IoMode::Buffered, {}).value();
  EXPECT_EQ(buffered.mode, IoMode::Buffered);
  EXPECT_EQ(buffered.copied_bytes, 5 * kMiB);
  EXPECT_EQ(buffered.produced_bytes, 700u);
  EXPECT_EQ(buffered.shared_bytes, 0u);
  EXPECT_EQ(one.run(IoMode::Auto, {}).value().mode, IoMode::Buffered) << "too small to matter";
}

// On tmpfs, O_DIRECT is refused by older kernels.
TEST(Assembly, InAMemoryFilesystem) {
  if (!std::filesystem::is_directory("/dev/shm")) GTEST_SKIP() << "no /dev/shm";
  const char* const before = std::getenv("TMPDIR");
  const std::string kept = before != nullptr ? before : "";
  setenv("TMPDIR", "/dev/shm", 1);
  {
    AssemblyCase one;
    test::add_random_segments(one, 3, 30);
    for (const IoMode mode : kModes) {
      const auto report = one.run(mode, {.threads = 2}, true);
      ASSERT_TRUE(report) << report.error().message;
      expect_output(one);
    }
  }
  before != nullptr ? setenv("TMPDIR", kept.c_str(), 1) : unsetenv("TMPDIR");
}

// A filesystem that shares blocks, as far as anybody can see from outside.
class SharingCalls final : public SystemCalls {
 public:
  explicit SharingCalls(int granted) : granted_(granted) {}

  int clone_range(int from, off_t from_offset, off_t size, int to, off_t to_offset) override {
    EXPECT_EQ(from_offset % 4096, 0);
    EXPECT_EQ(size % 4096, 0);
    EXPECT_EQ(to_offset % 4096, 0);
    if (clones++ >= granted_) {
      errno = EXDEV;
      return -1;
    }
    std::vector<std::byte> bytes(static_cast<size_t>(size));
    EXPECT_EQ(SystemCalls::pread(from, bytes, from_offset), size);
    EXPECT_EQ(SystemCalls::pwrite(to, bytes, to_offset), size);
    return 0;
  }
  bool may_share_blocks(int) override { return true; }
  int allocate(int file, off_t offset, off_t size) override {
    reserved_bytes += size;
    return SystemCalls::allocate(file, offset, size);
  }
  int clones = 0;
  off_t reserved_bytes = 0;

 private:
  const int granted_;
};

TEST(Assembly, SharesTheBlocksThatLieAlike) {
  for (const int granted : {0, 1, 2, 100}) {
    SharingCalls calls(granted);
    AssemblyCase one(calls);
    one.add_source(random_bytes(3'000'000, 1));
    one.add_source(random_bytes(2'000'000, 2));
    one.add_memory(random_bytes(1000, 3));
    one.add_copy(0, 1000 + 8192, 2'000'000);  // congruent
    one.add_copy(1, 77, 1'000'000);           // not congruent
    one.add_zeros((4096 - one.size() % 4096) % 4096);
    one.add_produced(10'000, 144);
    one.add_zeros((4096 - one.size() % 4096) % 4096);
    one.add_copy(1, 4096, 1'000'000);
    one.add_copy(0, 8192 + one.size() % 4096, 400'000);
    one.add_copy(0, 8192 + one.size() % 4096, 10'000);  // too small
    ItemBytes progress;
    const auto report = one.run(IoMode::Auto, {.threads = 3, .progress = &progress});
    ASSERT_TRUE(report) << report.error().message;
    expect_output(one);
    EXPECT_EQ(calls.clones, std::min(granted + 1, 3));
    constexpr uint64_t kFirst = (1000 + 2'000'000) / 4096 * 4096 - 4096;
    constexpr uint64_t kSecond = 1'000'000 / 4096 * 4096;
    const uint64_t third = granted > 2 ? report->shared_bytes - kFirst - kSecond : 0;
    EXPECT_EQ(report->shared_bytes - third,
              (granted > 0 ? kFirst : 0) + (granted > 1 ? kSecond : 0));
    if (granted > 2) {
      EXPECT_GT(third, 390'000u);
    }
    EXPECT_EQ(report->shared_bytes + report->copied_bytes, 4'410'000u);
    EXPECT_EQ(progress.bytes[0], one.size());
    EXPECT_TRUE(one.run(IoMode::Buffered, {}));
    EXPECT_EQ(calls.clones, std::min(granted + 1, 3)) << "an explicit mode is a copy";
  }
}

// Room is needed only for what is written.
TEST(Assembly, ReservesWhatIsNotShared) {
  for (const int granted : {0, 1, 2}) {
    SharingCalls calls(granted);
    AssemblyCase one(calls);
    one.add_source(random_bytes(3'000'000, 1));
    one.add_memory(random_bytes(4096, 3));
    one.add_copy(0, 0, 1 << 20);
    one.add_memory(random_bytes(100, 4));
    one.add_copy(0, one.size() % 4096, 1 << 20);
    auto output = AtomicOutput::create(calls, one.output_path(), one.size(), {.sync = false},
                                       Reserve::OnceShared);
    ASSERT_TRUE(output) << output.error().message;
    EXPECT_EQ(calls.reserved_bytes, 0);
    const auto report = assemble(**output, one.segments(), one.options(IoMode::Auto, {}));
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->shared_bytes > 0, granted > 0);
    EXPECT_EQ(static_cast<uint64_t>(calls.reserved_bytes), one.size() - report->shared_bytes);
    ASSERT_TRUE((*output)->commit());
    expect_output(one);
    if (granted == 2) {
      EXPECT_EQ(report->shared_bytes, shareable_bytes(one.segments(), 4096));
    }
  }
}

// What the filesystem that holds the tests can do.
TEST(Assembly, SharedOrCopiedTheBytesAreTheSame) {
  AssemblyCase one;
  one.add_source(random_bytes(6 * kMiB, 1));
  one.add_zeros(4096);
  one.add_copy(0, 8192, 5 * kMiB + 17);
  one.add_copy(0, 3, 2 * kMiB);
  const auto report = one.run(IoMode::Auto, {.threads = 2});
  ASSERT_TRUE(report) << report.error().message;
  expect_output(one);
  EXPECT_TRUE(report->shared_bytes == 0 || report->shared_bytes == 5 * kMiB)
      << report->shared_bytes;
}

}  // namespace
}  // namespace stkit
