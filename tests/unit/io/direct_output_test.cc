#include "io/direct_output.h"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <unistd.h>

#include <random>
#include <set>
#include <thread>

#include "assembly_case.h"
#include "io/direct_source.h"
#include "io_test.h"

namespace stkit {
namespace {

using test::AssemblyCase;
using test::bytes_of;
using test::random_bytes;
using test::TempDir;

constexpr uint64_t kMiB = uint64_t{1} << 20;

std::string text_of(const SeamBlocks::Block& block, size_t size) {
  return {reinterpret_cast<const char*>(block.bytes.get()), size};
}

TEST(SeamBlocks, AreGivenBackWhole) {
  SeamBlocks seams(8);
  EXPECT_FALSE(seams.add(21, bytes_of("fgh"), 8));
  EXPECT_FALSE(seams.add(8, bytes_of("12"), 5));
  EXPECT_FALSE(seams.add(16, bytes_of("abc"), 8));
  const auto last = seams.add(10, bytes_of("345"), 5);
  ASSERT_TRUE(last);
  EXPECT_EQ(last->offset_bytes, 8u);
  EXPECT_EQ(text_of(*last, 5), "12345");
  const auto whole = seams.add(19, bytes_of("de"), 8);
  ASSERT_TRUE(whole);
  EXPECT_EQ(whole->offset_bytes, 16u);
  EXPECT_EQ(text_of(*whole, 8), "abcdefgh");
}

TEST(SeamBlocks, MayHaveManyWriters) {
  SeamBlocks seams(8);
  for (const uint64_t place : {3u, 0u, 7u, 5u, 1u, 6u, 2u})
    EXPECT_FALSE(seams.add(place, bytes_of(std::string(1, static_cast<char>('a' + place))), 8));
  const auto block = seams.add(4, bytes_of("e"), 8);
  ASSERT_TRUE(block);
  EXPECT_EQ(text_of(*block, 8), "abcdefgh");
}

// In which ways transfers past the page cache do not do what is hoped for.
enum class Refusal : uint8_t { None, Statx, Open, Read, Write, OddRead, OddWrite, LateWrite };

class RefusingCalls final : public SystemCalls {
 public:
  explicit RefusingCalls(Refusal refusal) : refusal_(refusal) {}

  int open_at(int folder, const char* name, int flags, mode_t mode) override {
    if ((flags & O_DIRECT) != 0 && refusal_ == Refusal::Open) return refuse();
    const int file = SystemCalls::open_at(folder, name, flags, mode);
    const std::lock_guard lock(mutex_);
    if ((flags & O_DIRECT) != 0) direct_.insert(file);
    return file;
  }
  int close(int file) override {
    {
      const std::lock_guard lock(mutex_);
      direct_.erase(file);
    }
    return SystemCalls::close(file);
  }
  int direct_alignment(int file) override {
    return refusal_ == Refusal::Statx ? 0 : SystemCalls::direct_alignment(file);
  }
  ssize_t pread(int file, std::span<std::byte> out, off_t offset) override {
    if (is_direct(file)) {
      EXPECT_EQ(reinterpret_cast<uintptr_t>(out.data()) % 4096, 0u);
      EXPECT_EQ(out.size() % 4096, 0u);
      EXPECT_EQ(offset % 4096, 0);
      ++direct_reads;
      if (refusal_ == Refusal::Read) return refuse();
      if (refusal_ == Refusal::OddRead)
        return std::min(SystemCalls::pread(file, out, offset),
                        static_cast<ssize_t>(out.size() / 2 + 1));
    }
    return SystemCalls::pread(file, out, offset);
  }
  ssize_t pwrite(int file, std::span<const std::byte> data, off_t offset) override {
    if (is_direct(file)) {
      EXPECT_EQ(reinterpret_cast<uintptr_t>(data.data()) % 4096, 0u);
      EXPECT_EQ(data.size() % 4096, 0u);
      EXPECT_EQ(offset % 4096, 0);
      ++direct_writes;
      if (refusal_ == Refusal::Write) return refuse();
      if (refusal_ == Refusal::LateWrite && direct_writes > 2) return refuse();
      if (refusal_ == Refusal::OddWrite) return write_half(file, data, offset);
    }
    return SystemCalls::pwrite(file, data, offset);
  }

  std::atomic<int> direct_reads = 0, direct_writes = 0;

 private:
  int refuse() {
    errno = EINVAL;
    return -1;
  }
  // Through the page cache: the kernel itself never stops inside of a block.
  ssize_t write_half(int direct, std::span<const std::byte> data, off_t offset) {
    const std::string name = fmt::format("/proc/self/fd/{}", direct);
    const int file = ::open(name.c_str(), O_WRONLY | O_CLOEXEC);
    const ssize_t count = ::pwrite(file, data.data(), data.size() / 2 + 1, offset);
    ::close(file);
    return count;
  }
  bool is_direct(int file) {
    const std::lock_guard lock(mutex_);
    return direct_.contains(file);
  }

  const Refusal refusal_;
  std::mutex mutex_;
  std::set<int> direct_;
};

TEST(DirectOutput, GoesThroughThePageCacheWhereItMust) {
  for (const Refusal refusal :
       {Refusal::None, Refusal::Statx, Refusal::Open, Refusal::Read, Refusal::Write,
        Refusal::OddRead, Refusal::OddWrite, Refusal::LateWrite})
    for (const unsigned threads : {1u, 3u}) {
      SCOPED_TRACE(fmt::format("refusal {}, {} threads", static_cast<int>(refusal), threads));
      RefusingCalls calls(refusal);
      AssemblyCase one(calls);
      test::add_random_segments(one, 11, 40);
      const size_t descriptors = test::open_descriptors();
      const auto report = one.run(IoMode::Direct, {.threads = threads, .max_memory_bytes = kMiB});
      ASSERT_TRUE(report) << report.error().message;
      EXPECT_TRUE(one.output() == one.expected());
      EXPECT_EQ(test::open_descriptors(), descriptors);
      if (refusal == Refusal::Statx || refusal == Refusal::Open) {
        EXPECT_EQ(report->mode, IoMode::Buffered);
        EXPECT_EQ(calls.direct_reads + calls.direct_writes, 0);
      }
      if (refusal == Refusal::Write) {
        EXPECT_EQ(report->mode, IoMode::Buffered);
        EXPECT_LE(calls.direct_writes, static_cast<int>(threads)) << "it tries no more";
      }
    }
}

TEST(DirectOutput, IsUsedWhereItCanBe) {
  RefusingCalls calls(Refusal::None);
  AssemblyCase one(calls);
  one.add_source(random_bytes(20 * kMiB + 5, 1));
  one.add_memory(random_bytes(1001, 2));
  one.add_copy(0, 3, 20 * kMiB);
  const auto report = one.run(IoMode::Direct, {.threads = 2});
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_TRUE(one.output() == one.expected());
  if (report->mode != IoMode::Direct) GTEST_SKIP() << "not on this filesystem";
  EXPECT_EQ(calls.direct_writes, 10);
  EXPECT_GE(calls.direct_reads, 10);
}

TEST(DirectSource, ReadsFromAnyPlaceToAnyPlace) {
  TempDir dir;
  const std::string content = random_bytes(300'007, 1);
  test::write_file(dir / "in", content);
  const std::shared_ptr<const RandomAccessFile> file =
      open_local_file(dir / "in", Access::Read).value();
  const size_t block = smallest_direct_block();
  DirectSource source(SystemCalls::real(), file, block);
  std::mt19937_64 random(1);
  const size_t room_bytes = 400'000 / block * block + 8 * block;
  const AlignedBytes memory = allocate_aligned(room_bytes, block);
  for (int i = 0; i < 500; ++i) {
    const auto size = static_cast<size_t>(random() % content.size());
    const uint64_t offset =
        i % 3 == 0 ? content.size() - size : random() % (content.size() - size + 1);
    const auto place = static_cast<size_t>(random() % (2 * block));
    const auto room = std::span(memory.get(), room_bytes)
                          .subspan(place, size + DirectSource::kRoomBlocks * block);
    if (place > 0) memory[place - 1] = std::byte{77};
    ASSERT_TRUE(source.read(offset, size, room));
    const std::string_view got(reinterpret_cast<const char*>(room.data()), size);
    ASSERT_TRUE(got == std::string_view(content).substr(offset, size));
    if (place > 0) {
      ASSERT_EQ(memory[place - 1], std::byte{77}) << "what lies before is kept";
    }
  }
}

}  // namespace
}  // namespace stkit
