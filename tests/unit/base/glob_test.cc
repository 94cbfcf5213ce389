#include "base/glob.h"

#include <gtest/gtest.h>

#include <string>

#include "stkit/text.h"

namespace stkit {
namespace {

struct Row {
  std::string_view pattern;
  std::string_view text;
  bool matches;
};

void expect_rows(std::span<const Row> rows) {
  for (const Row& row : rows)
    EXPECT_EQ(glob_match(row.pattern, row.text), row.matches) << row.pattern << "  " << row.text;
}

TEST(Glob, MatchesWholeTexts) {
  const Row kRows[] = {
      {"", "", true},
      {"", "a", false},
      {"*", "", true},
      {"*", "a/b.c", true},
      {"*.weight", "model.norm.weight", true},
      {"*.weight", "model.norm.weights", false},
      {"model.*.mlp.*", "model.layers.3.mlp.up_proj.weight", true},
      {"a*b*c", "abbbc", true},
      {"a*b*c", "abbb", false},
      {"**", "x", true},
      {"?", "", false},
      {"?", "a", true},
      {"?", "ö", true},
      {"??", "ö", false},
      {"?", "\xFF", true},
      {"a?c", "abc", true},
      {"Model", "model", false},
      {"model", "model", true},
      {"model", "model.x", false},
  };
  expect_rows(kRows);
}

TEST(Glob, Sets) {
  const Row kRows[] = {
      {"layers.[0-3].*", "layers.2.w", true},
      {"layers.[0-3].*", "layers.4.w", false},
      {"[abc]", "b", true},
      {"[!abc]", "b", false},
      {"[^abc]", "d", true},
      {"[!a]", "", false},
      {"[]a]", "]", true},
      {"[!]a]", "]", false},
      {"[a-]", "-", true},
      {"[-a]", "-", true},
      {"[z-a]", "m", false},
      {"[\\]]", "]", true},
      {"[a\\-c]", "b", false},
      {"[ä-ö]", "ö", true},
      {"[*]", "*", true},
      {"[*]", "a", false},
      {"[{]x", "{x", true},
  };
  expect_rows(kRows);
}

TEST(Glob, Alternatives) {
  const Row kRows[] = {
      {"{q,k,v}_proj", "k_proj", true},
      {"{q,k,v}_proj", "o_proj", false},
      {"*.{safetensors,bin}", "a.bin", true},
      {"{a,b{c,d}}e", "bde", true},
      {"{a,b{c,d}}e", "be", false},
      {"{a,}b", "b", true},
      {"{,a}b", "ab", true},
      {"{a*c,d?f}", "abbc", true},
      {"{a*c,d?f}", "def", true},
      {"{a*c,d?f}", "abf", false},
      {"{a}", "a", true},
      {"{}", "", true},
      {"{a,b},{c,d}", "a,d", true},
      {"{a\\,b,c}", "a,b", true},
      {"{[,],x}", ",", true},
      {"{a,b}*{c,d}", "bxxd", true},
      {"*{a,b}", "xxb", true},
      {"{*,x}y", "aay", true},
  };
  expect_rows(kRows);
}

// What is looked for first is a part of every match: nothing of a group or a set.
TEST(Glob, LooksForWhatEveryMatchHolds) {
  const Row kRows[] = {
      {"{ab,cdefg}e*f", "abeXf", true},
      {"x{,abcdef}y*", "xyz", true},
      {"x{,abcdef}y*", "xabcdefy", true},
      {"[abcdef]g*", "bg", true},
      {"a*bcd*e", "abcXbcde", true},
      {"a*bcd*e", "abcXbce", false},
      {"{a,{b,cde}f}g?", "cdefgh", true},
      {"{a,{b,cde}f}g?", "bfg", false},
      {"*\\*long*", "a*longer", true},
      {"*\\*long*", "along", false},
      {"{abc", "{abc", true},
      {"{abc*", "{abcd", true},
      {"a,b}c*", "a,b}cd", true},
      {"*ö*", "aöb", true},
      {"*\xC3*", "ö", false},
  };
  expect_rows(kRows);
}

TEST(Glob, BackslashQuotes) {
  const Row kRows[] = {
      {"\\*", "*", true},     {"\\*", "a", false},          {"a\\?b", "a?b", true},
      {"\\[a]", "[a]", true}, {"\\{a,b\\}", "{a,b}", true}, {"\\\\", "\\", true},
      {"\\a", "a", true},
  };
  expect_rows(kRows);
}

TEST(Glob, WhatIsMalformedStandsForItself) {
  const Row kRows[] = {
      {"[abc", "[abc", true},   {"[", "[", true},       {"[]", "[]", true},
      {"[!", "[!", true},       {"a[*", "a[xyz", true}, {"{a,b", "{a,b", true},
      {"{a,b", "a", false},     {"a}", "a}", true},     {"a,b", "a,b", true},
      {"{a{b,c}", "{ac", true}, {"{a,b}}", "b}", true}, {"a\\", "a\\", true},
      {"[a\\]", "[a]", true},
  };
  expect_rows(kRows);
}

// Backtracking would take longer than the universe has.
TEST(Glob, TakesNoExponentialTime) {
  const std::string text(500, 'a');
  std::string stars, braces, nested;
  for (int i = 0; i < 100; ++i) stars += "a*";
  for (int i = 0; i < 100; ++i) braces += "{a,aa,*}";
  for (int i = 0; i < 1000; ++i) nested += '{';
  nested += 'a';
  for (int i = 0; i < 1000; ++i) nested += ",*}";
  EXPECT_FALSE(glob_match(stars + "b", text));
  EXPECT_TRUE(glob_match(stars, text));
  EXPECT_FALSE(glob_match(braces + "b", text));
  EXPECT_TRUE(glob_match(nested, "abc"));
  EXPECT_FALSE(glob_match(std::string(5000, '['), text));
}

TEST(Glob, IsCompiledOnceForManyTexts) {
  const Glob glob("*.{weight,bias}");
  EXPECT_TRUE(glob.matches("a.weight"));
  EXPECT_FALSE(glob.matches("a.scale"));
  EXPECT_TRUE(glob.matches("b.bias"));
}

}  // namespace
}  // namespace stkit
