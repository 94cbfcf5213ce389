#include "base/rename.h"

#include <gtest/gtest.h>

namespace stkit {
namespace {

std::string renamed(std::string_view pattern, std::string_view replacement,
                    const std::string& name) {
  const Result<Rename> rename = Rename::compile(pattern, replacement);
  if (rename) return rename->apply(name);
  ADD_FAILURE() << rename.error().message;
  return {};
}

TEST(Rename, EveryMatchFromTheLeft) {
  EXPECT_EQ(renamed("^model\\.", "", "model.model.x"), "model.x");
  EXPECT_EQ(renamed("a", "b", "banana"), "bbnbnb");
  EXPECT_EQ(renamed("layers\\.([0-9]+)\\.(.*)", "blk.\\1.\\2", "m.layers.12.w.b"), "m.blk.12.w.b");
  EXPECT_EQ(renamed("[0-9]+", "<\\0>", "a1b22"), "a<1>b<22>");
  EXPECT_EQ(renamed("x|(y)", "[\\1]", "xy"), "[][y]");
  EXPECT_EQ(renamed("$", "!", "end"), "end!");
  EXPECT_EQ(renamed("^", "x.", "name"), "x.name");
  EXPECT_EQ(renamed("none", "x", "name"), "name");
  EXPECT_EQ(renamed("a", "\\\\", "a"), "\\");
}

// Where nothing matches a run of nothing, between whole characters; never twice at one place.
TEST(Rename, EmptyMatches) {
  EXPECT_EQ(renamed("x*", "-", "axb"), "-a-b-");
  EXPECT_EQ(renamed("x*", "-", "é"), "-é-");
  EXPECT_EQ(renamed("x*", "-", ""), "-");
  EXPECT_EQ(renamed("x*", "-", "x"), "-");
}

TEST(Rename, OfAnyName) {
  EXPECT_EQ(renamed("层", "layer", "层.0.层"), "layer.0.layer");
  EXPECT_EQ(renamed("a", "b", std::string("a\0a", 3)), std::string("a\0a", 3));
  EXPECT_EQ(renamed("[\\1]", "x", "a\\1"), "axx") << "no reference inside brackets";
  EXPECT_EQ(renamed("[^]\\1]", "x", "a]"), "x]");
  // Would take for ever where matching backtracks.
  EXPECT_EQ(renamed("(a*)*(a*)*(a*)*b", "x", std::string(5000, 'a')), std::string(5000, 'a'));
}

TEST(Rename, RefusesWhatMakesNoSense) {
  struct Case {
    std::string_view pattern, replacement, part;
  };
  const Case cases[] = {
      {"", "x", "is empty"},
      {"(a", "x", "regular expression '(a': "},
      {"a{2,1}", "x", "regular expression"},
      {"(a)\\1", "x", "refers back"},
      {"[a]\\2", "x", "refers back"},
      {std::string_view("a\0b", 3), "x", "NUL"},
      {"(a)", "\\2", "\\2 is used, but the pattern has 1 groups"},
      {"a", "\\n", "a backslash before 'n'"},
      {"a", "x\\", "ends in a single backslash"},
  };
  for (const Case& row : cases) {
    const Result<Rename> rename = Rename::compile(row.pattern, row.replacement);
    ASSERT_FALSE(rename) << row.pattern;
    EXPECT_EQ(rename.error().code, ErrorCode::Usage);
    EXPECT_NE(rename.error().message.find(row.part), std::string::npos) << rename.error().message;
  }
}

}  // namespace
}  // namespace stkit
