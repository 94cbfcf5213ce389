// What the program does with its streams and its surroundings.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "fixtures.h"
#include "run_program.h"
#include "stkit/version.h"
#include "support/model_builder.h"
#include "support/temp_dir.h"

namespace stkit::test {
namespace {

class Program : public testing::Test {
 protected:
  Program() { make_fixtures(folder_.path()); }
  RunResult stkit(std::vector<std::string> args) const {
    return run({.args = std::move(args), .folder = folder_.path()});
  }
  TempDir folder_;
};

TEST_F(Program, AFullDiskBehindStdoutIsAnError) {
  const RunResult result =
      run({.args = {"inspect", "tiny"}, .folder = folder_.path(), .output = "/dev/full"});
  EXPECT_EQ(result.exit_code, 7);
  EXPECT_EQ(result.err, "error: stdout: cannot write the result: No space left on device\n");
}

TEST_F(Program, AReaderThatGoesAwayIsNot) {  // T43: SIGPIPE
  ModelBuilder model;                        // a listing larger than a pipe's buffer
  for (int i = 0; i < 3000; ++i) model.tensor("tensor." + std::to_string(i), DType::U8, {1});
  write_file(folder_ / "many.safetensors", model.file_bytes());
  const RunResult result =
      run({.folder = folder_.path(),
           .shell = "{ stkit inspect many.safetensors --tensors; echo exit $? >&2; } | head -n 1"});
  EXPECT_EQ(std::ranges::count(result.out, '\n'), 1);
  EXPECT_EQ(result.err, "exit 0\n");
}

TEST_F(Program, AFileSizeLimitIsAnErrorAndNotADeath) {  // T43: SIGXFSZ
  const RunResult result = run({.args = {"inspect", "tiny", "--html", "page.html"},
                                .folder = folder_.path(),
                                .file_size_limit = 1000});
  EXPECT_EQ(result.exit_code, 7) << result.err;
  EXPECT_FALSE(std::filesystem::exists(folder_ / "page.html"));
}

// T48. The locales are made here, since few machines have them: one with a decimal comma, one in
// which I and i are different letters.
TEST_F(Program, NumbersDoNotDependOnTheLocale) {
  const std::string locales = (folder_ / "locales").string();
  const RunResult made =
      run({.folder = folder_.path(),
           .environment = {{"LOCPATH", locales}},
           .shell = "mkdir locales; for name in de_DE tr_TR; do"
                    "  localedef -i $name -f UTF-8 locales/$name.UTF-8 || exit 1; done >&2;"
                    "LC_ALL=de_DE.UTF-8 locale decimal_point"});
  const bool real_locales = made.exit_code == 0 && made.out == ",\n";
  for (const std::vector<std::string>& args : {std::vector<std::string>{"inspect", "tiny"},
                                               {"inspect", "two.safetensors", "--stats", "--json"},
                                               {"INSPECT", "tiny"},  // the Turkish I
                                               {"validate", "--explain", "ST021"}}) {
    const RunResult plain = stkit(args);
    for (const char* locale : {"de_DE.UTF-8", "tr_TR.UTF-8", "C", "no_SUCH.UTF-8"}) {
      const RunResult other =
          run({.args = args,
               .folder = folder_.path(),
               .environment = {{"LC_ALL", locale}, {"LANG", locale}, {"LOCPATH", locales}}});
      EXPECT_EQ(other.out, plain.out) << locale;
      EXPECT_EQ(other.err, plain.err) << locale;
      EXPECT_EQ(other.exit_code, plain.exit_code) << locale;
    }
  }
  if (!real_locales)
    GTEST_SKIP() << "localedef or its sources are missing, so German and Turkish were NOT tried: "
                 << made.err;
}

TEST_F(Program, NothingDependsOnTheTimeZone) {  // T48
  const RunResult here = stkit({"inspect", "tiny", "--json"});
  const RunResult there = run({.args = {"inspect", "tiny", "--json"},
                               .folder = folder_.path(),
                               .environment = {{"TZ", "Pacific/Kiritimati"}}});
  EXPECT_EQ(here.out, there.out);
}

TEST_F(Program, TheOutputIsTheSameForAnyNumberOfThreads) {
  const RunResult one = stkit({"inspect", "tiny", "--stats", "--json", "-j1"});
  EXPECT_EQ(one.exit_code, 0) << one.err;
  EXPECT_EQ(one.out, stkit({"inspect", "tiny", "--stats", "--json", "-j8"}).out);
}

TEST_F(Program, VersionSaysWhatTheBuildIsMadeOf) {
  const RunResult result = stkit({"--version"});
  const BuildInfo build = build_info();
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_TRUE(result.out.starts_with("stkit " + build.version));
  for (const std::string& part : {build.commit, build.compiler, build.simd_used})
    EXPECT_NE(result.out.find(part), std::string::npos) << part;
  for (const auto& [library, version] : build.libraries)
    EXPECT_NE(result.out.find(library + " " + version), std::string::npos) << library;
  for (const std::string library : {"fmt", "simdjson", "OpenSSL", "CURL", "CLI11", "spdlog"})
    EXPECT_NE(result.out.find(" " + library + " "), std::string::npos) << library;
  EXPECT_FALSE(build.simd_compiled.empty());
}

TEST_F(Program, ALogFileGetsTheMessages) {
  const RunResult result = stkit({"inspect", "nowhere", "-q", "--log-file", "log"});
  EXPECT_EQ(result.exit_code, 4);
  const std::string log = read_file(folder_ / "log");
  EXPECT_NE(log.find(" error nowhere: "), std::string::npos) << log;
}

TEST_F(Program, ALogFileThatCannotBeWrittenIsAnError) {
  const RunResult result = stkit({"inspect", "tiny", "--log-file", "/proc/log"});
  EXPECT_EQ(result.exit_code, 7);
  EXPECT_EQ(result.out, "");
}

TEST_F(Program, AFifoIsRefusedAndNotWaitedFor) {  // T18
  ASSERT_EQ(mkfifo((folder_ / "fifo.safetensors").c_str(), 0600), 0);
  const RunResult result = stkit({"inspect", "fifo.safetensors"});
  EXPECT_EQ(result.exit_code, 3) << result.err;
}

TEST_F(Program, ManPagesAreMadeForEveryShownCommand) {
  std::filesystem::create_directory(folder_ / "man");
  EXPECT_EQ(stkit({"generate-man", "man"}).exit_code, 0);
  for (const char* page : {"stkit.1", "stkit-inspect.1", "stkit-validate.1", "stkit-merge.1",
                           "stkit-help.1", "stkit-completion.1"})
    EXPECT_TRUE(read_file(folder_ / "man" / page).starts_with(".TH ")) << page;
  EXPECT_FALSE(std::filesystem::exists(folder_ / "man" / "stkit-generate-man.1"));
}

TEST_F(Program, AModelNamedLikeAListIsOneModel) {
  std::filesystem::copy(folder_ / "two.safetensors", folder_ / "[a,b]");
  std::filesystem::copy(folder_ / "two.safetensors", folder_ / "validate");
  EXPECT_EQ(stkit({"inspect", "[a,b]"}).exit_code, 0);
  EXPECT_EQ(stkit({"inspect", "validate"}).exit_code, 0);
}

}  // namespace
}  // namespace stkit::test
