#include "base/json_cost.h"

#include <gtest/gtest.h>

#include <string>

#include "base/json_reader.h"

namespace stkit {
namespace {

TEST(JsonCost, CountsWhatTheParserKeeps) {
  struct Row {
    const char* text;
    uint64_t tokens, root_members;
  };
  for (const Row& row : {
           Row{"", 0, 0}, Row{"{}", 2, 0}, Row{"[0,0,0]", 7, 0}, Row{R"({"a":1})", 5, 1},
           Row{R"({"a":{"b":1,"c":2},"d":[]})", 18, 2},
           Row{R"(  { "a" : -1.5e3 , "b":null } )", 9, 2},
           Row{R"({"no { tokens : [ , \" in here":"\\"})", 5, 1},
           Row{R"("never closed , , ,)", 1, 0},
           Row{"{\\\"[0,0", 6, 0},  // a quote behind a backslash opens no string
       }) {
    const JsonCost cost = measure_json(row.text);
    EXPECT_EQ(cost.tokens, row.tokens) << row.text;
    EXPECT_EQ(cost.root_members, row.root_members) << row.text;
  }
}

// A tree of a million nodes takes more memory than any document of this kind is worth.
TEST(JsonCost, BoundsTrees) {
  std::string text = "[";
  for (int i = 0; i < 500'001; ++i) text += "0,";
  text.back() = ']';
  const auto tree = JsonValue::parse(text);
  ASSERT_FALSE(tree);
  EXPECT_EQ(tree.error().code, ErrorCode::Unsupported);
  EXPECT_EQ(tree.error().message,
            "1,000,003 tokens of JSON are more than the 1,000,000 that are read");
}

}  // namespace
}  // namespace stkit
