// Every call to the operating system on the way of an output fails once, with every error that
// matters.
#include <fmt/format.h>

#include "faulty_calls.h"
#include "io/atomic_output.h"
#include "io_test.h"
#include "support/temp_dir.h"

namespace stkit {
namespace {

using test::bytes_of;
using test::expect_error;
using test::FaultyCalls;
using test::names_in;
using test::read_file;
using test::TempDir;
using test::write_file;

using Names = std::vector<std::string>;

constexpr std::string_view kOld = "the old content";
constexpr std::string_view kNew = "the new content, which is longer";

Result<void> write_new(FaultyCalls& calls, const TempDir& dir, bool overwrite) {
  STKIT_ASSIGN(const auto output,
               AtomicOutput::create(calls, dir / "out", kNew.size(), {.overwrite = overwrite}));
  STKIT_TRY(output->write_at(0, bytes_of(kNew.substr(0, 9))));
  STKIT_TRY(output->write_at(9, bytes_of(kNew.substr(9))));
  return output->commit();
}

struct Variant {
  std::string_view name;
  void (*prepare)(FaultyCalls&);
};

// The ways around calls that a filesystem lacks have calls of their own that can fail.
constexpr Variant kVariants[] = {
    {"everything supported", [](FaultyCalls&) {}},
    {"no fallocate, no renameat2",
     [](FaultyCalls& calls) {
       calls.always_fail("allocate", EOPNOTSUPP);
       calls.always_fail("rename_new", EINVAL);
     }},
    {"no hard links either",
     [](FaultyCalls& calls) {
       calls.always_fail("allocate", EOPNOTSUPP);
       calls.always_fail("rename_new", ENOSYS);
       calls.always_fail("link", EPERM);
     }},
};

// One row of the matrix; false once k is beyond the last call.
bool fault_is_survived(const Variant& variant, bool overwrite, int k, int number) {
  TempDir dir;
  if (overwrite) write_file(dir / "out", kOld);
  FaultyCalls calls;
  variant.prepare(calls);
  calls.fail_at(k, number);
  const size_t descriptors = test::open_descriptors();
  const Result<void> result = write_new(calls, dir, overwrite);
  if (calls.failed_call().empty()) {
    EXPECT_TRUE(result) << result.error().message;
    return false;
  }
  SCOPED_TRACE(fmt::format("{}, overwrite {}, call {} ({}), errno {}", variant.name, overwrite, k,
                           calls.failed_call(), number));
  EXPECT_EQ(test::open_descriptors(), descriptors);

  const Names names = names_in(dir.path());
  for (const std::string& name : names) EXPECT_FALSE(name.ends_with(".tmp")) << name;
  if (calls.failed_call() != "unlink") {
    EXPECT_TRUE(names == Names{"out"} || (!overwrite && names.empty()));
  }
  const bool there = std::ranges::find(names, "out") != names.end();
  const std::string content = there ? read_file(dir / "out") : "";
  if (result) {
    EXPECT_EQ(content, kNew);
    return true;
  }
  if (content == kNew) {
    EXPECT_EQ(calls.failed_call(), "sync") << "only the folder's own sync comes behind the rename";
  } else {
    EXPECT_EQ(content, overwrite ? kOld : "");
  }
  const Error& error = result.error();
  EXPECT_EQ(info(error.code).exit_code, 7) << error.message;
  EXPECT_EQ(error.path, (dir / "out").string());
  const bool about_space = number == ENOSPC || number == EDQUOT;
  EXPECT_EQ(error.code == ErrorCode::NoSpace, about_space) << error.message;
  EXPECT_FALSE(error.hint.empty()) << error.message;
  // Before the folder is open nobody knows what is free in it.
  if (about_space && k > 1) {
    EXPECT_NE(error.message.find("32 B (32 bytes) are needed"), std::string::npos) << error.message;
    EXPECT_NE(error.message.find("bytes) are free"), std::string::npos) << error.message;
  }
  return true;
}

// T38, T39, T40
TEST(OutputFaults, EveryCallMayFailOnce) {
  for (const Variant& variant : kVariants)
    for (const bool overwrite : {false, true})
      for (const int number : {ENOSPC, EIO, EDQUOT, EROFS, EACCES, EMFILE}) {
        int k = 1;
        while (fault_is_survived(variant, overwrite, k, number)) ++k;
        EXPECT_GT(k, 15) << "calls on the way of an output";
      }
}

// T38: from the k-th write on, the disk is full.
TEST(OutputFaults, ADiskThatStaysFull) {
  TempDir dir;
  write_file(dir / "out", kOld);
  FaultyCalls calls;
  calls.always_fail("allocate", EOPNOTSUPP);
  calls.always_fail("pwrite", ENOSPC);
  const auto result = write_new(calls, dir, true);
  expect_error(result, ErrorCode::NoSpace, "cannot be written at byte 0: no space left");
  EXPECT_EQ(read_file(dir / "out"), kOld);
  EXPECT_EQ(names_in(dir.path()), Names{"out"});
}

// T40
TEST(OutputFaults, InterruptionsAndShortWritesDoNotShow) {
  for (const Variant& variant : kVariants)
    for (const bool overwrite : {false, true}) {
      TempDir dir;
      if (overwrite) write_file(dir / "out", kOld);
      FaultyCalls calls;
      variant.prepare(calls);
      calls.interrupt(20);
      calls.one_byte_at_a_time();
      const auto result = write_new(calls, dir, overwrite);
      EXPECT_TRUE(result) << variant.name << ": " << result.error().message;
      EXPECT_EQ(read_file(dir / "out"), kNew);
      EXPECT_EQ(names_in(dir.path()), Names{"out"});
    }
}

// T39
TEST(OutputFaults, AWriteThatWritesNothingEnds) {
  TempDir dir;
  FaultyCalls calls;
  calls.write_nothing();
  expect_error(write_new(calls, dir, false), ErrorCode::WriteFailed, "input/output error");
  EXPECT_EQ(names_in(dir.path()), Names{});
}

TEST(OutputFaults, NothingIsReplacedWhereTheSystemCannotForbidIt) {
  for (const Variant& variant : kVariants) {
    TempDir dir;
    FaultyCalls calls;
    variant.prepare(calls);
    auto output = AtomicOutput::create(calls, dir / "out", 3, {}).value();
    EXPECT_TRUE(output->write_at(0, bytes_of("new")));
    write_file(dir / "out", "theirs");
    expect_error(output->commit(), ErrorCode::OutputExists, "exists already");
    output.reset();
    EXPECT_EQ(read_file(dir / "out"), "theirs");
    EXPECT_EQ(names_in(dir.path()), Names{"out"});
  }
}

TEST(OutputFaults, NothingIsSyncedUnlessAskedFor) {
  TempDir dir;
  FaultyCalls calls;
  auto output = AtomicOutput::create(calls, dir / "out", 3, {.sync = false}).value();
  calls.always_fail("sync", EIO);
  EXPECT_TRUE(output->write_at(0, bytes_of("new")));
  EXPECT_TRUE(output->commit());
}

}  // namespace
}  // namespace stkit
