#include "io/output_lock.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "base/parallel.h"
#include "faulty_calls.h"
#include "io/atomic_output.h"
#include "io_test.h"
#include "support/temp_dir.h"

namespace stkit {
namespace {

namespace fs = std::filesystem;
using test::bytes_of;
using test::expect_error;
using test::FaultyCalls;
using test::names_in;
using test::read_file;
using test::TempDir;
using test::write_file;

using Names = std::vector<std::string>;

// A second process that has begun to write `path` and does not end by itself.
class OtherProcess {
 public:
  explicit OtherProcess(const fs::path& path) {
    int ready[2];
    EXPECT_EQ(::pipe(ready), 0);
    id_ = ::fork();
    if (id_ == 0) {
      auto output = create_output(path, 100);
      const char answer = output ? 'y' : 'n';
      if (::write(ready[1], &answer, 1) == 1) ::pause();
      ::_exit(0);
    }
    char answer = 0;
    EXPECT_EQ(::read(ready[0], &answer, 1), 1);
    EXPECT_EQ(answer, 'y');
    ::close(ready[0]);
    ::close(ready[1]);
  }
  OtherProcess(const OtherProcess&) = delete;
  OtherProcess& operator=(const OtherProcess&) = delete;
  ~OtherProcess() { kill(); }

  void kill() {
    if (id_ <= 0) return;
    ::kill(id_, SIGKILL);
    ::waitpid(id_, nullptr, 0);
    id_ = -1;
  }
  pid_t id() const { return id_; }

 private:
  pid_t id_ = -1;
};

// T44
TEST(OutputLock, ASecondProcessIsToldWhoHoldsIt) {
  TempDir dir;
  OtherProcess other(dir / "out");
  const auto second = create_output(dir / "out", 3);
  expect_error(second, ErrorCode::OutputLocked, fmt::format("process {} on ", other.id()));
  EXPECT_EQ(info(second.error().code).exit_code, 7);
  EXPECT_TRUE(create_output(dir / "another", 3)) << "other targets are free";
}

// T41, T44
TEST(OutputLock, WhatADeadProcessLeftIsRemoved) {
  TempDir dir;
  // Looks like ours, but belongs to others.
  const Names others = {".out.stkit-1-zzzzzzzzzzzzzzzz.tmp", ".out.stkit-x.tmp",
                        ".out.stkit.stkit-1-0123456789abcdef.tmp",
                        ".outer.stkit-1-0123456789abcdef.tmp"};
  for (const std::string& name : others) write_file(dir / name, "x");
  OtherProcess other(dir / "out");
  EXPECT_EQ(names_in(dir.path()).size(), others.size() + 2) << "its lock and its temporary";
  other.kill();
  EXPECT_EQ(names_in(dir.path()).size(), others.size() + 2);

  auto output = create_output(dir / "out", 3).value();
  EXPECT_TRUE(output->write_at(0, bytes_of("new")));
  EXPECT_TRUE(output->commit());
  Names expected = others;
  expected.push_back("out");
  std::ranges::sort(expected);
  EXPECT_EQ(names_in(dir.path()), expected);
}

// T44
TEST(OutputLock, OfManyThreadsOneWritesAtATime) {
  TempDir dir;
  std::atomic<int> writing = 0, written = 0;
  const auto write_once = [&](size_t i, unsigned) -> Result<void> {
    const std::string text(1000, static_cast<char>('a' + i % 26));
    auto output = create_output(dir / "out", text.size(), {.overwrite = true, .sync = false});
    if (!output) {
      EXPECT_EQ(output.error().code, ErrorCode::OutputLocked) << output.error().message;
      return {};
    }
    EXPECT_EQ(writing.fetch_add(1), 0);
    STKIT_TRY((*output)->write_at(0, bytes_of(text)));
    writing.fetch_sub(1);
    ++written;
    return (*output)->commit();
  };
  const auto result = parallel_for(500, 8, nullptr, write_once);
  EXPECT_TRUE(result) << result.error().message;
  EXPECT_GE(written.load(), 1);
  const std::string text = read_file(dir / "out");
  EXPECT_EQ(text, std::string(1000, text[0]));
  EXPECT_EQ(names_in(dir.path()), Names{"out"});
}

TEST(OutputLock, IsDoneWithoutWhereTheFilesystemHasNone) {
  for (const int number : {ENOLCK, EOPNOTSUPP, ENOSYS}) {
    TempDir dir;
    FaultyCalls calls;
    calls.always_fail("lock", number);
    auto output = AtomicOutput::create(calls, dir / "out", 3, {}).value();
    EXPECT_TRUE(output->write_at(0, bytes_of("new")));
    EXPECT_TRUE(output->commit());
    EXPECT_EQ(read_file(dir / "out"), "new");
    EXPECT_EQ(names_in(dir.path()), Names{"out"});
  }
}

TEST(OutputLock, IsNoLongerHeldOnceReleased) {
  TempDir dir;
  write_file(dir / "keep", "x");
  Descriptor folder(SystemCalls::real(), ::open(dir.path().c_str(), O_RDONLY | O_DIRECTORY));
  const auto take = [&] {
    return OutputLock::take(SystemCalls::real(), folder.get(), "lock", "target");
  };
  auto lock = take().value();
  EXPECT_TRUE(lock.is_held());
  expect_error(take(), ErrorCode::OutputLocked, fmt::format("process {} on ", ::getpid()));
  EXPECT_EQ(names_in(dir.path()), (Names{"keep", "lock"}));
  lock.release();
  EXPECT_FALSE(lock.is_held());
  EXPECT_EQ(names_in(dir.path()), Names{"keep"});
  EXPECT_TRUE(take());
}

}  // namespace
}  // namespace stkit
