// T43: how the program is stopped. It reads a sparse file of a size that takes minutes, and is
// stopped as soon as it says that it works on it.
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <fstream>

#include "run_program.h"
#include "support/model_builder.h"
#include "support/temp_dir.h"

namespace stkit::test {
namespace {

constexpr uint64_t kManyBytes = uint64_t{1} << 40;

class Signals : public testing::Test {
 protected:
  Signals() {
    const std::string header = R"({"w":{"dtype":"F32","shape":[)" + std::to_string(kManyBytes / 4) +
                               R"(],"data_offsets":[0,)" + std::to_string(kManyBytes) + "]}}";
    const std::string head = safetensors_bytes(header, "");
    write_file(folder_ / "endless.safetensors", head);
    std::error_code failed;
    std::filesystem::resize_file(folder_ / "endless.safetensors", head.size() + kManyBytes, failed);
    has_sparse_file_ = !failed;
  }
  void SetUp() override {
    if (!has_sparse_file_) GTEST_SKIP() << "this filesystem has no sparse files of a terabyte";
  }
  RunSpec stats() const {
    return {.args = {"inspect", "endless.safetensors", "--stats"}, .folder = folder_.path()};
  }

  TempDir folder_;
  bool has_sparse_file_ = false;
};

constexpr const char* kHideCursor = "\x1b[?25l";
constexpr const char* kShowCursor = "\x1b[?25h";

TEST_F(Signals, InterruptedAtTheTerminalTheCursorIsGivenBack) {
  TerminalRun terminal(stats(), 100, 30);
  ASSERT_TRUE(terminal.wait_for(kHideCursor)) << terminal.received();
  terminal.send_signal(SIGINT);
  EXPECT_EQ(terminal.wait(), 130);
  const std::string& screen = terminal.received();
  EXPECT_GT(screen.rfind(kShowCursor) + 1, screen.rfind(kHideCursor) + 1);
  EXPECT_NE(screen.find("error"), std::string::npos);
}

TEST_F(Signals, TerminatedItSaysSo) {
  RunSpec spec = stats();
  spec.args.push_back("--json");
  TerminalRun terminal(spec, 100, 30);
  ASSERT_TRUE(terminal.wait_for(kHideCursor)) << terminal.received();
  terminal.send_signal(SIGTERM);
  EXPECT_EQ(terminal.wait(), 143);
  EXPECT_NE(terminal.received().find(R"("code":"terminated","exit":143)"), std::string::npos);
}

TEST_F(Signals, ASecondOneEndsItAtOnceWithTheCursorShown) {
  TerminalRun terminal(stats(), 100, 30);
  ASSERT_TRUE(terminal.wait_for(kHideCursor)) << terminal.received();
  terminal.send_signal(SIGINT);
  terminal.send_signal(SIGINT);
  // Either the first was seen in time, or the second ended it: 130 both ways.
  EXPECT_EQ(terminal.wait(), 130);
  const std::string& screen = terminal.received();
  EXPECT_GT(screen.rfind(kShowCursor) + 1, screen.rfind(kHideCursor) + 1);
}

}  // namespace
}  // namespace stkit::test
