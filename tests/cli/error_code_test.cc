// T65: every error code is produced by a test, or says why it cannot be yet.
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <map>

#include "base/json_reader.h"
#include "fixtures.h"
#include "run_program.h"
#include "stkit/error.h"
#include "support/temp_dir.h"

namespace stkit::test {
namespace {

// Makes the program fail with a code; an empty `shell` says in `elsewhere` why not here.
struct Producer {
  std::string shell;
  std::string elsewhere;
};

const std::map<ErrorCode, Producer> kProducers = {
    {ErrorCode::Usage, {"stkit inspect --json", ""}},
    {ErrorCode::Corrupt, {"stkit inspect short.safetensors --json", ""}},
    {ErrorCode::Unsupported,
     {"printf '\\211HDF\\r\\n%0100d' 0 > x.h5 && "
      "stkit inspect x.h5 --json",
      ""}},
    {ErrorCode::InputChanged, {"", "a file that shrinks while it is read: tests/unit/io"}},
    {ErrorCode::ReadFailed, {"", "needs a disk that fails: tests/unit/io"}},
    {ErrorCode::OutOfMemory, {"", "needs an allocator that fails: ProgramMemory below"}},
    {ErrorCode::NotFound, {"stkit inspect nowhere --json", ""}},
    {ErrorCode::AccessDenied,
     {"chmod 000 two.safetensors && stkit inspect two.safetensors --json", ""}},
    {ErrorCode::Network,
     {"", "a server that only fails: TurnsStatusesIntoErrorsThatHelp in tests/unit/hub"}},
    {ErrorCode::Checksum,
     {"", "bytes that do not have their digest: download_test.cc in tests/unit/hub"}},
    {ErrorCode::NoSpace, {"", "/dev/full, in program_test.cc: stdout cannot hold the JSON then"}},
    {ErrorCode::OutputExists, {"touch x && stkit inspect tiny --html x --json", ""}},
    {ErrorCode::OutputLocked, {"", "two writers of one target: tests/unit/io"}},
    {ErrorCode::OutputConflict,
     {"stkit inspect tiny --html ./tiny/config.json --force --json", ""}},
    {ErrorCode::WriteFailed, {"stkit inspect tiny --html none/x --json", ""}},
    {ErrorCode::Interrupted, {"", "SIGINT on a terminal, in signal_test.cc"}},
    {ErrorCode::Terminated, {"", "SIGTERM on a terminal, in signal_test.cc"}},
    {ErrorCode::Internal, {"", "SIGABRT, in ProgramAbort below"}},
};

TEST(ErrorCodes, EachIsProducedOrSaysWhere) {
  for (const ErrorCodeInfo& row : error_codes()) {
    SCOPED_TRACE(row.name);
    ASSERT_TRUE(kProducers.contains(row.code)) << "add a case for the new code";
    const Producer& producer = kProducers.at(row.code);
    if (producer.shell.empty()) {
      EXPECT_FALSE(producer.elsewhere.empty());
      continue;
    }
    if (row.code == ErrorCode::AccessDenied && geteuid() == 0) continue;  // root may read anything
    const TempDir folder;
    make_fixtures(folder.path());
    const RunResult result = run({.folder = folder.path(), .shell = producer.shell});
    EXPECT_EQ(result.exit_code, row.exit_code) << result.err;
    const Result<JsonValue> document = JsonValue::parse(result.out);
    ASSERT_TRUE(document) << result.out;
    ASSERT_NE(document->find("error"), nullptr) << result.out;
    EXPECT_EQ(document->find("error")->find("code")->as_string(), row.name);
  }
}

TEST(ProgramAbort, LeavesTheErrorAndItsExitCode) {
  const TempDir folder;
  // It waits for its list of models on a terminal where nobody types.
  TerminalRun program({.args = {"-vv", "--json", "inspect", "-"}, .folder = folder.path()}, 200,
                      24);
  ASSERT_TRUE(program.wait_for("debug:")) << program.received();
  program.send_signal(SIGABRT);
  EXPECT_EQ(program.wait(), 70);
  EXPECT_NE(program.received().find(R"({"error":{"code":"internal","exit":70)"), std::string::npos)
      << program.received();
}

TEST(ProgramMemory, RunningOutIsAnError) {
  if (STKIT_SANITIZED) GTEST_SKIP() << "sanitizers need more address space than the limit";
  const TempDir folder;
  const RunResult result = run({.folder = folder.path(),
                                .shell = "head -c 1000000000 /dev/zero | stkit inspect --json -",
                                .memory_limit = 400'000'000});
  EXPECT_EQ(result.exit_code, info(ErrorCode::OutOfMemory).exit_code) << result.err;
  EXPECT_NE(result.out.find(R"("code":"out_of_memory")"), std::string::npos) << result.out;
}

}  // namespace
}  // namespace stkit::test
