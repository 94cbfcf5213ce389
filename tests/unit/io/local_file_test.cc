#include "io/local_file.h"

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <fstream>

#include "faulty_calls.h"
#include "io/filesystem.h"
#include "io/mapped_read.h"
#include "io_test.h"
#include "support/temp_dir.h"

namespace stkit {
namespace {

using test::expect_error;
using test::FaultyCalls;
using test::TempDir;
using test::write_file;

std::string text_at(const RandomAccessFile& file, uint64_t offset, size_t size) {
  std::string text(size, '?');
  const auto result = file.read_at(offset, std::as_writable_bytes(std::span(text)));
  return result ? text : "error: " + result.error().message;
}

TEST(LocalFile, ReadsAnywhere) {
  TempDir dir;
  write_file(dir / "f", "0123456789");
  const auto file = open_local_file(dir / "f").value();
  EXPECT_EQ(file->size_bytes(), 10u);
  EXPECT_EQ(file->label(), (dir / "f").string());
  EXPECT_EQ(text_at(*file, 0, 10), "0123456789");
  EXPECT_EQ(text_at(*file, 7, 3), "789");
  EXPECT_EQ(text_at(*file, 10, 0), "");
  EXPECT_TRUE(file->check_unchanged());
}

TEST(LocalFile, ReadingPastTheEndSaysBothNumbers) {
  TempDir dir;
  write_file(dir / "f", std::string(2000, 'x'));
  const auto file = open_local_file(dir / "f").value();
  std::array<std::byte, 1001> out;
  expect_error(file->read_at(1000, out), ErrorCode::Corrupt,
               "1,001 bytes are needed at byte 1,000, but the file holds 2,000");
  expect_error(file->read_at(~uint64_t{0}, out), ErrorCode::Corrupt, "the file holds 2,000");
}

// T18, T46
TEST(LocalFile, OpensOnlyRegularFilesAndNeverBlocks) {
  TempDir dir;
  ASSERT_EQ(::mkfifo((dir / "fifo").c_str(), 0600), 0);
  std::filesystem::create_symlink("nowhere", dir / "dangling");
  std::filesystem::create_symlink("loop", dir / "loop");
  write_file(dir / "file", "x");
  expect_error(open_local_file(dir / "fifo"), ErrorCode::Unsupported, "FIFO");
  expect_error(open_local_file("/dev/null"), ErrorCode::Unsupported, "character device");
  expect_error(open_local_file("/dev/zero"), ErrorCode::Unsupported, "character device");
  expect_error(open_local_file(dir.path()), ErrorCode::Unsupported, "is a folder");
  expect_error(open_local_file(dir / "none"), ErrorCode::NotFound, "no such file");
  expect_error(open_local_file(dir / "dangling"), ErrorCode::NotFound, "symbolic link to a file");
  expect_error(open_local_file(dir / "loop"), ErrorCode::NotFound, "loop");
  expect_error(open_local_file(dir / "file/below"), ErrorCode::NotFound, "not a folder");
  expect_error(open_local_file(dir / std::string(300, 'a')), ErrorCode::NotFound, "too long");
  expect_error(open_local_file(std::string("a\0b", 3)), ErrorCode::NotFound, "NUL");
  expect_error(open_local_file(""), ErrorCode::NotFound, "no such file");
}

// T39, T40
TEST(LocalFile, SystemErrorsKeepTheirMeaning) {
  const struct {
    int number;
    ErrorCode code;
    std::string_view message;
  } kRows[] = {
      {EACCES, ErrorCode::AccessDenied, "permission denied"},
      {EMFILE, ErrorCode::ReadFailed, "too many open files"},
      {EIO, ErrorCode::ReadFailed, "input/output error"},
      {ENOMEM, ErrorCode::OutOfMemory, "no memory"},
      {ESTALE, ErrorCode::InputChanged, "no longer knows"},
      {12345, ErrorCode::ReadFailed, "error 12345"},
  };
  TempDir dir;
  write_file(dir / "f", "0123456789");
  for (const auto& row : kRows) {
    for (int k = 1;; ++k) {
      FaultyCalls calls;
      calls.fail_at(k, row.number);
      const size_t descriptors = test::open_descriptors();
      Result<void> result;
      {
        auto file = open_local_file(calls, dir / "f", Access::Read);
        std::array<std::byte, 10> out;
        if (!file)
          result = fail(file.error());
        else if (result = (*file)->read_at(0, out); result)
          result = (*file)->check_unchanged();
      }
      EXPECT_EQ(test::open_descriptors(), descriptors);
      if (calls.failed_call().empty()) break;
      SCOPED_TRACE(calls.failed_call());
      if (calls.failed_call() == "close") continue;
      expect_error(result, row.code, row.message);
      EXPECT_EQ(result.error().path, (dir / "f").string());
    }
  }
}

// T40
TEST(LocalFile, SurvivesInterruptionsAndShortReads) {
  TempDir dir;
  write_file(dir / "f", "0123456789");
  FaultyCalls calls;
  calls.interrupt(50);
  calls.one_byte_at_a_time();
  const auto file = open_local_file(calls, dir / "f", Access::Read).value();
  EXPECT_EQ(text_at(*file, 2, 6), "234567");
}

// T45
TEST(LocalFile, NoticesThatItWasTruncated) {
  TempDir dir;
  write_file(dir / "f", "0123456789");
  const auto file = open_local_file(dir / "f").value();
  std::filesystem::resize_file(dir / "f", 4);
  EXPECT_EQ(text_at(*file, 0, 4), "0123");
  std::array<std::byte, 4> out;
  expect_error(file->read_at(2, out), ErrorCode::InputChanged,
               "ends at byte 4 now, but held 10 bytes");
  expect_error(file->check_unchanged(), ErrorCode::InputChanged, "10 bytes when it was opened");
}

// T45
TEST(LocalFile, NoticesThatItWasModifiedReplacedOrRemoved) {
  TempDir dir;
  write_file(dir / "f", "0123456789");
  const auto long_ago = std::filesystem::file_time_type::clock::now() - std::chrono::hours(1);
  std::filesystem::last_write_time(dir / "f", long_ago);
  const auto file = open_local_file(dir / "f").value();

  write_file(dir / "f", "abcdefghij");
  expect_error(file->check_unchanged(), ErrorCode::InputChanged, "was modified");

  std::filesystem::last_write_time(dir / "f", long_ago);
  EXPECT_TRUE(file->check_unchanged());
  write_file(dir / "g", "0123456789");
  std::filesystem::rename(dir / "g", dir / "f");
  expect_error(file->check_unchanged(), ErrorCode::InputChanged, "replaced by another");

  std::filesystem::remove(dir / "f");
  expect_error(file->check_unchanged(), ErrorCode::InputChanged, "was removed");
}

TEST(LocalFile, IdentityIsThatOfTheContent) {
  TempDir dir;
  write_file(dir / "f", "one");
  write_file(dir / "g", "one");
  const std::string first = open_local_file(dir / "f").value()->identity();
  EXPECT_FALSE(first.empty());
  EXPECT_EQ(open_local_file(dir / "f").value()->identity(), first);
  EXPECT_NE(open_local_file(dir / "g").value()->identity(), first);
  write_file(dir / "f", "three");
  EXPECT_NE(open_local_file(dir / "f").value()->identity(), first);
}

TEST(MemoryFile, IsAFileToo) {
  const std::string_view text = "0123456789";
  const auto file = open_memory_file("memory", test::bytes_of(text));
  EXPECT_EQ(file->size_bytes(), 10u);
  EXPECT_EQ(text_at(*file, 3, 4), "3456");
  EXPECT_EQ(file->mapped().size(), 10u);
  std::array<std::byte, 4> out;
  expect_error(file->read_at(7, out), ErrorCode::Corrupt, "the file holds 10");
  EXPECT_TRUE(file->check_unchanged());
}

TEST(Filesystem, OnlyWhatIsKnownToBeLocalIsMapped) {
  EXPECT_TRUE(is_local_filesystem(0xEF53)) << "ext4";
  EXPECT_TRUE(is_local_filesystem(0x58465342)) << "XFS";
  EXPECT_TRUE(is_local_filesystem(~uint64_t{0xFFFFFFFF} | 0x9123683E)) << "Btrfs, sign-extended";
  const struct {
    std::string_view name;
    uint64_t magic;
  } kRemote[] = {{"NFS", 0x6969},      {"SMB", 0x517B},      {"CIFS", 0xFF534D42},
                 {"SMB2", 0xFE534D42}, {"FUSE", 0x65735546}, {"Lustre", 0x0BD00BD0},
                 {"9p", 0x01021997},   {"AFS", 0x5346414F},  {"GPFS", 0x47504653},
                 {"Ceph", 0x00C36400}, {"unknown", 0}};
  for (const auto& row : kRemote) EXPECT_FALSE(is_local_filesystem(row.magic)) << row.name;
}

class MappedFile : public testing::Test {
 protected:
  static constexpr size_t kSize = 4 << 20;

  MappedFile() {
    write_file(dir_ / "f", std::string(kSize, 'x'));
    file_ = open_local_file(dir_ / "f").value();
  }
  void SetUp() override {
    if (file_->mapped().empty()) GTEST_SKIP() << "the temporary folder is not on a local disk";
  }

  static size_t count_x(std::span<const std::byte> bytes) {
    return static_cast<size_t>(std::ranges::count(bytes, std::byte{'x'}));
  }

  TempDir dir_;
  std::unique_ptr<RandomAccessFile> file_;
};

TEST_F(MappedFile, HoldsTheBytes) {
  EXPECT_EQ(file_->mapped().size(), kSize);
  size_t count = 0;
  EXPECT_TRUE(use_mapped(*file_, 100, kSize - 100, [&](auto bytes) { count = count_x(bytes); }));
  EXPECT_EQ(count, kSize - 100);
}

TEST_F(MappedFile, IsNotMadeForSmallFilesOrOnRequest) {
  write_file(dir_ / "small", "x");
  EXPECT_TRUE(open_local_file(dir_ / "small").value()->mapped().empty());
  EXPECT_TRUE(open_local_file(dir_ / "f", Access::Read).value()->mapped().empty());
}

// T45
TEST_F(MappedFile, TruncatedUnderTheReaderIsAnError) {
  struct sigaction before, after;
  ::sigaction(SIGBUS, nullptr, &before);
  std::filesystem::resize_file(dir_ / "f", 4096);
  for (int round = 0; round < 3; ++round) {
    volatile size_t count = 0;
    const auto result = use_mapped(*file_, 0, kSize, [&](auto bytes) { count = count_x(bytes); });
    expect_error(result, ErrorCode::InputChanged, "the file held 4,194,304");
    EXPECT_EQ(result.error().path, file_->label());
    EXPECT_EQ(count, 0u);
  }
  size_t count = 0;
  EXPECT_TRUE(use_mapped(*file_, 0, 4096, [&](auto bytes) { count = count_x(bytes); }));
  EXPECT_EQ(count, 4096u);
  ::sigaction(SIGBUS, nullptr, &after);
  EXPECT_EQ(std::memcmp(&before.sa_sigaction, &after.sa_sigaction, sizeof before.sa_sigaction), 0)
      << "the process gets its own handler back";
}

// T45
TEST_F(MappedFile, ForeignBusErrorsGoToTheHandlerBefore) {
  EXPECT_EXIT(
      {
        ::signal(SIGBUS, [](int) { ::_exit(42); });
        static_cast<void>(use_mapped(*file_, 0, kSize, [](auto) { ::raise(SIGBUS); }));
      },
      testing::ExitedWithCode(42), "");
  EXPECT_EXIT(
      {
        ::signal(SIGBUS, SIG_DFL);
        static_cast<void>(use_mapped(*file_, 0, kSize, [](auto) { ::raise(SIGBUS); }));
      },
      testing::KilledBySignal(SIGBUS), "");
}

}  // namespace
}  // namespace stkit
