// What is seen on a terminal.
#include <gtest/gtest.h>

#include "fixtures.h"
#include "run_program.h"
#include "support/temp_dir.h"

namespace stkit::test {
namespace {

class OnTerminal : public testing::Test {
 protected:
  OnTerminal() { make_fixtures(folder_.path()); }
  std::string screen(std::vector<std::string> args, std::map<std::string, std::string> environment,
                     unsigned columns = 80) const {
    TerminalRun terminal(
        {.args = std::move(args), .folder = folder_.path(), .environment = std::move(environment)},
        columns, 24);
    terminal.wait();
    return terminal.received();
  }
  TempDir folder_;
};

TEST_F(OnTerminal, ColourFollowsTheEnvironment) {
  const auto colored = [&](std::map<std::string, std::string> environment) {
    return screen({"inspect", "tiny"}, std::move(environment)).find("\x1b[") != std::string::npos;
  };
  EXPECT_TRUE(colored({}));
  EXPECT_FALSE(colored({{"NO_COLOR", "1"}}));
  EXPECT_TRUE(colored({{"NO_COLOR", ""}}));
  EXPECT_FALSE(colored({{"TERM", "dumb"}}));
}

TEST_F(OnTerminal, TablesFit) {
  for (const unsigned columns : {60u, 80u, 132u}) {
    const std::string text =
        screen({"inspect", "tiny", "--tensors", "--color", "never"}, {}, columns);
    size_t width = 0, line = 0;
    for (const char c : text) {
      if (c == '\n')
        line = 0;
      else if (c != '\r' && (c & 0xC0) != 0x80)
        width = std::max(width, ++line);
    }
    EXPECT_LE(width, columns);
    EXPECT_GT(width, columns / 2);
  }
}

TEST_F(OnTerminal, NoTensorNameReachesTheTerminalRaw) {  // T15
  for (const char* view : {"--tensors", "--tree", "--metadata", "--stats"}) {
    const std::string text = screen({"inspect", "names.safetensors", view, "--color", "never"}, {});
    EXPECT_EQ(text.find('\x1b'), std::string::npos) << view << ": " << text;
    EXPECT_EQ(text.find("\xe2\x80\xae"), std::string::npos) << view;
    EXPECT_EQ(text.find('\x07'), std::string::npos) << view;
  }
}

TEST_F(OnTerminal, ShortWorkShowsNoBar) {
  EXPECT_EQ(screen({"inspect", "tiny", "--color", "never"}, {}).find("\x1b[?25l"),
            std::string::npos);
}

}  // namespace
}  // namespace stkit::test
