// Which tensors are taken, and what they are called.
#include <set>

#include "merge_support.h"

namespace stkit {
namespace {

using namespace test;

class MergeNames : public testing::Test {
 protected:
  MergeNames() {
    ModelBuilder()
        .tensor("module.layers.0.w", DType::U8, {1})
        .tensor("module.layers.1.w", DType::U8, {1})
        .tensor("module.layers.1.b", DType::U8, {1})
        .tensor("head", DType::U8, {1})
        .metadata("format", "pt")
        .write(dir_ / "in");
  }

  Result<MergePlan> plan(MergeOptions options) {
    return MergePlan::make((dir_ / "in").string(), (dir_ / "out").string(), options);
  }

  std::set<std::string> names(MergeOptions options) {
    options.overwrite = true;
    options.sync = false;
    must_merge(dir_ / "in", dir_ / "out", {.options = options});
    const Result<Model> model = Model::open((dir_ / "out").string());
    std::set<std::string> names;
    for (const TensorInfo& tensor : model.value().tensors()) names.emplace(tensor.name);
    return names;
  }

  TempDir dir_;
};

using Names = std::set<std::string>;

TEST_F(MergeNames, Selected) {
  EXPECT_EQ(names({.include = {"*.w", "*.b"}, .exclude = {"*.0.*"}}),
            (Names{"module.layers.1.w", "module.layers.1.b"}));
}

TEST_F(MergeNames, PrefixThenRenamesInTurn) {
  EXPECT_EQ(names({.rename = {{"^layers\\.([0-9])", "blk.\\1"}, {"blk", "b"}},
                   .strip_prefix = "module."}),
            (Names{"b.0.w", "b.1.w", "b.1.b", "head"}));
  // Names may change places.
  EXPECT_EQ(names({.rename = {{"1\\.w$", "1.t"}, {"1\\.b$", "1.w"}, {"1\\.t$", "1.b"}}}),
            (Names{"module.layers.0.w", "module.layers.1.w", "module.layers.1.b", "head"}));
}

TEST_F(MergeNames, Refused) {
  struct Case {
    MergeOptions options;
    ErrorCode code;
    std::string_view part;
  };
  const Case cases[] = {
      {{.rename = {{"[01]\\.w", "w"}}},
       ErrorCode::Usage,
       "tensors 'module.layers.0.w' and 'module.layers.1.w' would both be named "
       "'module.layers.w'"},
      {{.strip_prefix = "head"}, ErrorCode::Usage, "nothing is left of the name 'head'"},
      {{.rename = {{"(", ""}}}, ErrorCode::Usage, "regular expression"},
      {{.include = {"nothing*"}}, ErrorCode::NotFound, "no tensor is left to write"},
      {{.exclude = {"*"}}, ErrorCode::NotFound, "no tensor is left to write"},
      {{.rename = {{"head", "__metadata__"}}}, ErrorCode::Unsupported, "reserved"},
      {{.rename = {{"head", "\xff"}}}, ErrorCode::Unsupported, "not valid UTF-8"},
  };
  for (const Case& row : cases) {
    const Result<MergePlan> refused = plan(row.options);
    ASSERT_FALSE(refused) << row.part;
    EXPECT_EQ(refused.error().code, row.code) << refused.error().message;
    EXPECT_NE(refused.error().message.find(row.part), std::string::npos) << refused.error().message;
  }
  EXPECT_FALSE(std::filesystem::exists(dir_ / "out"));
}

TEST_F(MergeNames, WhatWasOfNoUseIsSaid) {
  const Result<MergePlan> made = plan({.include = {"*", "typo*"},
                                       .exclude = {"h*", "other"},
                                       .rename = {{"nowhere", "x"}},
                                       .strip_prefix = "model.",
                                       .copy_files = "*.txt"});
  ASSERT_TRUE(made);
  const Names warnings(made->warnings().begin(), made->warnings().end());
  EXPECT_EQ(
      warnings,
      (Names{"no tensor matches --include 'typo*'", "no tensor matches --exclude 'other'",
             "no tensor is renamed by 'nowhere'", "no tensor has the prefix 'model.'",
             "1 of 4 tensors are left out", "no companion file matches --copy-files '*.txt'"}));
}

}  // namespace
}  // namespace stkit
