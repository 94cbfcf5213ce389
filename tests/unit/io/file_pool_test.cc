#include "io/file_pool.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <array>

#include "base/parallel.h"
#include "io_test.h"
#include "support/temp_dir.h"

namespace stkit {
namespace {

using test::expect_error;
using test::TempDir;
using test::write_file;

std::string content(const RandomAccessFile& file) {
  std::string text(file.size_bytes(), '?');
  EXPECT_TRUE(file.read_at(0, std::as_writable_bytes(std::span(text))));
  return text;
}

// T20
TEST(FilePool, ReadsTenThousandFilesWithFewDescriptors) {
  constexpr size_t kFiles = 10'000;
  TempDir dir;
  std::vector<std::string> names;
  for (size_t i = 0; i < kFiles; ++i) {
    names.push_back(fmt::format("model-{:05}-of-10000.safetensors", i + 1));
    write_file(dir / names.back(), std::to_string(i));
  }
  rlimit before;
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit few = {256, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);

  FilePool pool(open_local_folder(dir.path()).value(), names);
  const auto read_one = [&](size_t index, unsigned) -> Result<void> {
    STKIT_ASSIGN(const auto file, pool.open(index));
    EXPECT_EQ(content(*file), std::to_string(index));
    return {};
  };
  const auto result = parallel_for(kFiles, 8, nullptr, read_one);
  EXPECT_TRUE(result) << result.error().message;
  EXPECT_LE(test::open_descriptors(), 64u + 16);
  EXPECT_TRUE(pool.check_unchanged());
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
}

TEST(FilePool, KeepsWhatWasUsedLast) {
  TempDir dir;
  for (const char* name : {"a", "b", "c"}) write_file(dir / name, name);
  FilePool pool(open_local_folder(dir.path()).value(), {"a", "b", "c"}, 2);
  EXPECT_EQ(pool.size(), 3u);
  EXPECT_EQ(pool.name(1), "b");
  const size_t none_open = test::open_descriptors();
  const std::weak_ptr a = pool.open(0).value();
  const std::weak_ptr b = pool.open(1).value();
  ASSERT_TRUE(pool.open(0));
  ASSERT_TRUE(pool.open(2));
  EXPECT_FALSE(a.expired());
  EXPECT_TRUE(b.expired()) << "the one used longest ago is closed";
  EXPECT_EQ(test::open_descriptors(), none_open + 2);
}

TEST(FilePool, AFileThatIsHeldStaysTheSame) {
  TempDir dir;
  for (const char* name : {"a", "b"}) write_file(dir / name, name);
  FilePool pool(open_local_folder(dir.path()).value(), {"a", "b"}, 1);
  const auto a = pool.open(0).value();
  ASSERT_TRUE(pool.open(1));
  EXPECT_EQ(pool.open(0).value(), a);
  EXPECT_EQ(content(*a), "a");
}

// T45
TEST(FilePool, NoticesThatAFileChangedWhileItWasClosed) {
  TempDir dir;
  for (const char* name : {"a", "b"}) write_file(dir / name, name);
  FilePool pool(open_local_folder(dir.path()).value(), {"a", "b"}, 1);
  ASSERT_TRUE(pool.open(0));
  ASSERT_TRUE(pool.open(1));
  EXPECT_TRUE(pool.check_unchanged());
  ASSERT_TRUE(pool.open(1));
  write_file(dir / "a", "longer");
  expect_error(pool.check_unchanged(), ErrorCode::InputChanged, "changed or replaced");
  expect_error(pool.open(0), ErrorCode::InputChanged, "changed or replaced");
  EXPECT_TRUE(pool.open(1));
}

TEST(FilePool, FilesThatWereNeverOpenedMayBeMissing) {
  TempDir dir;
  write_file(dir / "a", "a");
  FilePool pool(open_local_folder(dir.path()).value(), {"a", "gone"});
  ASSERT_TRUE(pool.open(0));
  EXPECT_TRUE(pool.check_unchanged());
  expect_error(pool.open(1), ErrorCode::NotFound, "no such file");
}

}  // namespace
}  // namespace stkit
