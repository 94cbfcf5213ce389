#include "io/atomic_output.h"

#include <sys/stat.h>

#include <thread>

#include "base/parallel.h"
#include "io_test.h"
#include "support/temp_dir.h"

namespace stkit {
namespace {

namespace fs = std::filesystem;
using test::bytes_of;
using test::expect_error;
using test::names_in;
using test::read_file;
using test::TempDir;
using test::write_file;

using Names = std::vector<std::string>;

Result<void> write_output(const fs::path& path, std::string_view text, OutputOptions options = {}) {
  STKIT_ASSIGN(const auto output, create_output(path, text.size(), options));
  STKIT_TRY(output->write_at(0, bytes_of(text)));
  return output->commit();
}

mode_t mode_of(const fs::path& path) {
  struct stat info = {};
  EXPECT_EQ(::stat(path.c_str(), &info), 0);
  return info.st_mode & 07777;
}

TEST(AtomicOutput, AppearsOnlyWhenCommitted) {
  TempDir dir;
  auto output = create_output(dir / "out", 10).value();
  EXPECT_EQ(output->label(), (dir / "out").string());
  EXPECT_TRUE(output->write_at(5, bytes_of("56789")));
  EXPECT_TRUE(output->write_at(0, bytes_of("01234")));
  EXPECT_FALSE(fs::exists(dir / "out"));
  EXPECT_TRUE(output->commit());
  EXPECT_EQ(read_file(dir / "out"), "0123456789");
  EXPECT_EQ(names_in(dir.path()), Names{"out"}) << "no lock, no temporary";
}

TEST(AtomicOutput, UncommittedLeavesNoTrace) {
  TempDir dir;
  write_file(dir / "out", "old");
  const size_t descriptors = test::open_descriptors();
  {
    auto output = create_output(dir / "out", 10, {.overwrite = true}).value();
    EXPECT_TRUE(output->write_at(0, bytes_of("new")));
    EXPECT_EQ(names_in(dir.path()).size(), 3u);
  }
  EXPECT_EQ(names_in(dir.path()), Names{"out"});
  EXPECT_EQ(read_file(dir / "out"), "old");
  EXPECT_EQ(test::open_descriptors(), descriptors);
}

TEST(AtomicOutput, ReplacesOnlyWhenAsked) {
  TempDir dir;
  write_file(dir / "out", "old");
  expect_error(write_output(dir / "out", "new"), ErrorCode::OutputExists, "exists already");
  EXPECT_EQ(read_file(dir / "out"), "old");
  EXPECT_TRUE(write_output(dir / "out", "new", {.overwrite = true}));
  EXPECT_EQ(read_file(dir / "out"), "new");
  EXPECT_TRUE(write_output(dir / "fresh", "new", {.overwrite = true}));
  EXPECT_EQ(names_in(dir.path()), (Names{"fresh", "out"}));
}

TEST(AtomicOutput, NeverReplacesWhatAppearedMeanwhile) {
  TempDir dir;
  auto output = create_output(dir / "out", 3).value();
  EXPECT_TRUE(output->write_at(0, bytes_of("new")));
  write_file(dir / "out", "theirs");
  expect_error(output->commit(), ErrorCode::OutputExists, "exists already");
  output.reset();
  EXPECT_EQ(read_file(dir / "out"), "theirs");
  EXPECT_EQ(names_in(dir.path()), Names{"out"});
}

TEST(AtomicOutput, MayBeEmptyUnsyncedAndLongNamed) {
  TempDir dir;
  const std::string name(255, 'n');
  EXPECT_TRUE(write_output(dir / "empty", "", {.sync = false}));
  EXPECT_TRUE(write_output(dir / name, "x"));
  EXPECT_EQ(fs::file_size(dir / "empty"), 0u);
  EXPECT_EQ(read_file(dir / name), "x");
}

// T46
TEST(AtomicOutput, RefusesWhatIsNoFileBeforeAnythingIsMade) {
  TempDir dir;
  fs::create_directory(dir / "folder");
  ASSERT_EQ(::mkfifo((dir / "fifo").c_str(), 0600), 0);
  fs::create_symlink("/dev/full", dir / "full");
  fs::create_symlink("loop", dir / "loop");
  const Names before = names_in(dir.path());
  const OutputOptions replace = {.overwrite = true};
  expect_error(write_output("/dev/full", "x", replace), ErrorCode::WriteFailed, "character device");
  expect_error(write_output("/dev/null", "x", replace), ErrorCode::WriteFailed, "character device");
  expect_error(write_output(dir / "full", "x", replace), ErrorCode::WriteFailed,
               "character device");
  expect_error(write_output(dir / "fifo", "x", replace), ErrorCode::WriteFailed, "FIFO");
  expect_error(write_output(dir / "folder", "x", replace), ErrorCode::WriteFailed, "is a folder");
  expect_error(write_output(dir / "folder/", "x"), ErrorCode::WriteFailed, "name of a folder");
  expect_error(write_output("", "x"), ErrorCode::WriteFailed, "name of a folder");
  expect_error(write_output("..", "x"), ErrorCode::WriteFailed, "name of a folder");
  expect_error(write_output(dir / "loop", "x"), ErrorCode::WriteFailed, "loop");
  expect_error(write_output(dir / "none/out", "x"), ErrorCode::WriteFailed,
               "no such file or folder");
  expect_error(write_output(std::string("a\0b", 3), "x"), ErrorCode::WriteFailed, "NUL");
  EXPECT_EQ(names_in(dir.path()), before);
}

TEST(AtomicOutput, WritesThroughASymbolicLink) {
  TempDir dir;
  write_file(dir / "data/real", "old");
  fs::create_symlink("data/real", dir / "link");
  EXPECT_TRUE(write_output(dir / "link", "new", {.overwrite = true}));
  EXPECT_TRUE(fs::is_symlink(dir / "link"));
  EXPECT_EQ(read_file(dir / "data/real"), "new");
  EXPECT_EQ(names_in(dir / "data"), Names{"real"});

  fs::create_symlink("data/later", dir / "dangling");
  EXPECT_TRUE(write_output(dir / "dangling", "made"));
  EXPECT_EQ(read_file(dir / "data/later"), "made");
}

TEST(AtomicOutput, HasThePermissionsThatAUserExpects) {
  TempDir dir;
  const mode_t before = ::umask(027);
  EXPECT_TRUE(write_output(dir / "new", "x"));
  EXPECT_EQ(mode_of(dir / "new"), mode_t{0640});
  for (const mode_t mode : {mode_t{0600}, mode_t{0666}, mode_t{0444}}) {
    ASSERT_EQ(::chmod((dir / "new").c_str(), mode), 0);
    EXPECT_TRUE(write_output(dir / "new", "y", {.overwrite = true}));
    EXPECT_EQ(mode_of(dir / "new"), mode);
  }
  ::umask(before);
}

TEST(AtomicOutput, LeavesOtherHardLinksAlone) {
  TempDir dir;
  write_file(dir / "out", "old");
  fs::create_hard_link(dir / "out", dir / "backup");
  EXPECT_TRUE(write_output(dir / "out", "new", {.overwrite = true}));
  EXPECT_EQ(read_file(dir / "backup"), "old");
}

// T38
TEST(AtomicOutput, ChecksTheSpaceBeforeTheFirstByte) {
  TempDir dir;
  const auto output = create_output(dir / "out", uint64_t{1} << 60);
  expect_error(output, ErrorCode::NoSpace, "1 EiB (1,152,921,504,606,846,976 bytes) are needed");
  EXPECT_NE(output.error().message.find("are free"), std::string::npos) << output.error().message;
  EXPECT_EQ(output.error().path, (dir / "out").string());
  EXPECT_FALSE(output.error().hint.empty());
  expect_error(create_output(dir / "out", ~uint64_t{0}), ErrorCode::NoSpace, "no file can be");
  EXPECT_EQ(names_in(dir.path()), Names{});
}

TEST(AtomicOutput, TakesWritesFromAllThreads) {
  TempDir dir;
  constexpr size_t kBlock = 10'000;
  constexpr size_t kBlocks = 100;
  const auto output = create_output(dir / "out", kBlock * kBlocks).value();
  const auto result = parallel_for(kBlocks, 8, nullptr, [&](size_t i, unsigned) {
    return output->write_at(i * kBlock, bytes_of(std::string(kBlock, static_cast<char>(i))));
  });
  ASSERT_TRUE(result);
  ASSERT_TRUE(output->commit());
  const std::string text = read_file(dir / "out");
  ASSERT_EQ(text.size(), kBlock * kBlocks);
  for (size_t i = 0; i < text.size(); ++i) ASSERT_EQ(text[i], static_cast<char>(i / kBlock));
}

}  // namespace
}  // namespace stkit
