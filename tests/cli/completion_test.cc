// The scripts as shells see them.
#include <gtest/gtest.h>

#include "run_program.h"
#include "support/temp_dir.h"

namespace stkit::test {
namespace {

std::string complete_in_bash(const std::string& words) {
  const TempDir folder;
  const std::string script =
      "command -v bash >/dev/null || exit 99\n"
      "cat > t.bash <<'END'\n"
      "source <(stkit completion bash)\n"
      "COMP_WORDS=(" +
      words +
      ")\n"
      "COMP_CWORD=$(( ${#COMP_WORDS[@]} - 1 ))\n"
      "_stkit\n"
      "echo \"${COMPREPLY[*]}\"\n"
      "END\nbash t.bash\n";
  const RunResult result = run({.folder = folder.path(), .shell = script});
  if (result.exit_code == 99) return "no bash";
  EXPECT_EQ(result.err, "");
  return result.out;
}

TEST(Completion, BashCompletesCommandsOptionsAndValues) {
  if (complete_in_bash("stkit ''") == "no bash") GTEST_SKIP() << "bash is not installed";
  EXPECT_EQ(complete_in_bash("stkit ins"), "inspect\n");
  EXPECT_EQ(complete_in_bash("stkit ''"),
            "inspect download search merge quantize validate completion help\n");
  EXPECT_EQ(complete_in_bash("stkit inspect --tr"), "--tree\n");
  EXPECT_EQ(complete_in_bash("stkit inspect --sort n"), "name\n");
  EXPECT_EQ(complete_in_bash("stkit validate --format ''"), "text json github\n");
  EXPECT_EQ(complete_in_bash("stkit --color a"), "auto always\n");
  EXPECT_EQ(complete_in_bash("stkit merge --dtype b"), "bf16\n");
  EXPECT_EQ(complete_in_bash("stkit completion z"), "zsh\n");
  EXPECT_EQ(complete_in_bash("stkit help v"), "validate\n");
}

TEST(Completion, EveryScriptIsValidForItsShell) {
  for (const std::string shell : {"bash", "zsh", "fish"}) {
    const TempDir folder;
    const RunResult result =
        run({.folder = folder.path(),
             .shell = "stkit completion " + shell + " > script || exit 1\ncommand -v " + shell +
                      " >/dev/null || exit 99\n" + shell + " -n script"});
    EXPECT_TRUE(result.exit_code == 0 || result.exit_code == 99) << shell << ": " << result.err;
  }
}

}  // namespace
}  // namespace stkit::test
