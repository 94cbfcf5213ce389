#include "terminal.h"

#include <gtest/gtest.h>

namespace stkit::cli {
namespace {

TEST(Color, TheOptionWinsOverTheEnvironmentAndThatOverTheTerminal) {
  const struct {
    ColorMode mode;
    bool terminal;
    Environment environment;
    bool expected;
  } kCases[] = {
      {ColorMode::Auto, true, {"", "", "xterm", ""}, true},
      {ColorMode::Auto, false, {"", "", "xterm", ""}, false},
      {ColorMode::Auto, true, {"", "", "dumb", ""}, false},
      {ColorMode::Auto, true, {"1", "", "xterm", ""}, false},
      {ColorMode::Auto, true, {"0", "", "xterm", ""}, false},  // any text counts: no-color.org
      {ColorMode::Auto, false, {"", "1", "xterm", ""}, true},
      {ColorMode::Auto, false, {"", "0", "xterm", ""}, false},
      {ColorMode::Auto, true, {"1", "1", "xterm", ""}, false},
      {ColorMode::Always, false, {"1", "", "dumb", ""}, true},
      {ColorMode::Never, true, {"", "1", "xterm", ""}, false},
  };
  for (const auto& row : kCases)
    EXPECT_EQ(use_color(row.mode, row.terminal, row.environment), row.expected)
        << "NO_COLOR=" << row.environment.no_color
        << " CLICOLOR_FORCE=" << row.environment.clicolor_force;
}

TEST(WrapText, BreaksAtBlanksAndKeepsTheMargin) {
  EXPECT_EQ(wrap_text("one two three", 2, 9), "  one two\n  three\n");
  EXPECT_EQ(wrap_text("unbreakable", 2, 5), "  unbreakable\n") << "a word is never cut";
  EXPECT_EQ(wrap_text("a\n  kept as it is\nb", 1, 4), " a\n   kept as it is\n b\n");
}

TEST(Paint, LeavesTextAloneWhenOff) {
  EXPECT_EQ(Paint(false).red("x"), "x");
  EXPECT_EQ(Paint(true).red("x"), "\x1b[1;31mx\x1b[0m");
  EXPECT_EQ(Paint(true).red(""), "");
}

}  // namespace
}  // namespace stkit::cli
