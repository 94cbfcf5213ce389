// Every call to the operating system on the way of an assembly fails once.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "assembly_case.h"
#include "faulty_calls.h"
#include "io_test.h"

namespace stkit {
namespace {

using test::AssemblyCase;
using test::FaultyCalls;
using test::names_in;
using test::random_bytes;

struct Variant {
  std::string_view name;
  IoMode mode;
  unsigned threads;
};

constexpr Variant kVariants[] = {
    {"auto", IoMode::Auto, 1},
    {"buffered", IoMode::Buffered, 2},
    {"direct", IoMode::Direct, 1},
    {"direct, two threads", IoMode::Direct, 2},
};

void add_segments(AssemblyCase& one) {
  one.add_source(random_bytes(700'000, 1));
  one.add_source(random_bytes(300'000, 2));
  one.add_memory(random_bytes(1111, 3));
  one.add_copy(0, 2222, 600'000);
  one.add_produced(700, 144);
  one.add_copy(1, 0, 300'000);
  one.add_copy(0, 5, 50);
}

// What cannot be done in one way is done in another, but for these.
bool must_show(std::string_view call, int number) {
  return (call == "pread" || call == "pwrite") && number != EINVAL;
}

// One row of the matrix; false once k is beyond the last call.
bool fault_is_handled(const Variant& variant, int k, int number) {
  FaultyCalls calls;
  AssemblyCase one(calls);
  add_segments(one);
  auto output = AtomicOutput::create(calls, one.output_path(), one.size(), {}).value();
  calls.fail_at(calls.count() + k, number);
  const size_t descriptors = test::open_descriptors();
  const auto report = assemble(
      *output, one.segments(),
      one.options(variant.mode, {.threads = variant.threads, .max_memory_bytes = 600'000}));
  const std::string_view failed = calls.failed_call();
  SCOPED_TRACE(fmt::format("{}, call {} ({}), errno {}", variant.name, k, failed, number));
  EXPECT_EQ(test::open_descriptors(), descriptors);
  if (report) {
    EXPECT_FALSE(must_show(failed, number));
    calls.fail_at(0, 0);
    EXPECT_TRUE(output->commit());
    EXPECT_TRUE(one.output() == one.expected());
    return !failed.empty();
  }
  output.reset();
  EXPECT_EQ(names_in(one.dir().path()), (std::vector<std::string>{"source-0", "source-1"}));

  const Error& error = report.error();
  EXPECT_TRUE(failed == "pread" || failed == "pwrite") << error.message;
  EXPECT_NE(error.message.find("at byte "), std::string::npos) << error.message;
  if (failed == "pread") {
    EXPECT_NE(error.message.find("cannot be read"), std::string::npos) << error.message;
    EXPECT_NE(error.path.find("source-"), std::string::npos) << error.path;
  } else {
    EXPECT_EQ(info(error.code).exit_code, 7) << error.message;
    EXPECT_EQ(error.path, one.output_path().string());
    EXPECT_EQ(error.hint.empty(), number == EINVAL) << error.message;
    const bool about_space = number == ENOSPC || number == EDQUOT;
    EXPECT_EQ(error.code == ErrorCode::NoSpace, about_space);
    EXPECT_EQ(error.message.find("bytes) are needed") != std::string::npos, about_space);
  }
  return true;
}

// T38, T39, T40
TEST(AssemblyFaults, EveryCallMayFailOnce) {
  for (const Variant& variant : kVariants)
    for (const int number : {EIO, ENOSPC, EDQUOT, EINVAL}) {
      int k = 1;
      while (fault_is_handled(variant, k, number)) ++k;
      EXPECT_GT(k, 8) << variant.name;
    }
}

// T38: from the k-th write on, the disk is full.
TEST(AssemblyFaults, ADiskThatStaysFull) {
  for (const Variant& variant : kVariants) {
    FaultyCalls calls;
    AssemblyCase one(calls);
    add_segments(one);
    calls.always_fail("pwrite", ENOSPC);
    test::expect_error(one.run(variant.mode, {.threads = variant.threads}), ErrorCode::NoSpace,
                       "no space left on the filesystem");
    EXPECT_FALSE(std::filesystem::exists(one.output_path()));
  }
}

// T40
TEST(AssemblyFaults, InterruptionsDoNotShow) {
  for (const Variant& variant : kVariants) {
    FaultyCalls calls;
    AssemblyCase one(calls);
    add_segments(one);
    calls.interrupt(20);
    const auto report = one.run(variant.mode, {.threads = variant.threads});
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_TRUE(one.output() == one.expected());
  }
}

// T40
TEST(AssemblyFaults, OneByteAtATime) {
  for (const Variant& variant : kVariants) {
    FaultyCalls calls;
    AssemblyCase one(calls);
    one.add_source(random_bytes(20'000, 1));
    one.add_memory("12345");
    one.add_copy(0, 100, 19'000);
    one.add_produced(100, 18);
    calls.one_byte_at_a_time();
    const auto report = one.run(variant.mode, {.threads = variant.threads});
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_TRUE(one.output() == one.expected());
  }
}

// T39
TEST(AssemblyFaults, AWriteThatWritesNothingEnds) {
  for (const Variant& variant : kVariants) {
    FaultyCalls calls;
    AssemblyCase one(calls);
    one.add_zeros(100'000);
    calls.write_nothing();
    test::expect_error(one.run(variant.mode, {.threads = variant.threads}), ErrorCode::WriteFailed,
                       "input/output error");
  }
}

}  // namespace
}  // namespace stkit
