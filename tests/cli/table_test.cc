#include "table.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "support/temp_dir.h"

namespace stkit::cli {
namespace {

std::string table(unsigned columns_wide, const std::vector<std::vector<std::string>>& rows) {
  const test::TempDir folder;
  const auto path = folder / "out";
  const int fd = open(path.c_str(), O_CREAT | O_WRONLY, 0600);
  Output out(fd);
  const Column columns[] = {{"name", false, true}, {"n", true}, {"note"}};
  write_table(
      out, {.columns = columns_wide}, columns, rows.size(),
      [&](size_t row, std::vector<std::string>& cells) { cells = rows[row]; }, 0);
  EXPECT_TRUE(out.flush());
  close(fd);
  return test::read_file(path);
}

TEST(Table, AlignsAndNeverEndsALineWithBlanks) {
  EXPECT_EQ(table(0, {{"a", "1", "x"}, {"long name", "1,000", ""}}),
            "name           n  note\n"
            "a              1  x\n"
            "long name  1,000\n");
}

TEST(Table, NamesGiveWayOnATerminalOnly) {
  const std::string name = "model.layers.0.self_attn.q_proj.weight";
  EXPECT_NE(table(0, {{name, "1", "x"}}).find(name), std::string::npos);
  const std::string narrow = table(30, {{name, "1", "x"}});
  EXPECT_NE(narrow.find("…"), std::string::npos);
  EXPECT_NE(narrow.find("1  x"), std::string::npos) << narrow;
}

TEST(Table, EscapesWhatCameFromAFile) {  // T15
  EXPECT_EQ(table(0, {{"a\x1b[2J\n", "1", "x"}}),
            "name        n  note\n"
            "a\\x1b[2J\\n  1  x\n");
}

}  // namespace
}  // namespace stkit::cli
