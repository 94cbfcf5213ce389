// Which tensors are taken, and what they are called.
#include <set>

#include "merge_support.h"
#include "ops/merge/shared_tensors.h"

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

// A folder that was copied with its config.json is no model any more.
TEST_F(MergeNames, WhatTheConfigAsksForIsMissed) {
  ModelBuilder()
      .tensor("model.layers.0.w", DType::U8, {1})
      .tensor("model.layers.1.w", DType::U8, {1})
      .tensor("model.layers.1.b.3", DType::U8, {1})
      .tensor("model.layers.2.w", DType::U8, {1})
      .tensor("head", DType::U8, {1})
      .config(R"({"num_hidden_layers":2})")
      .write(dir_ / "in");
  const std::pair<std::string, std::string> rows[] = {
      {"head", "1 of 5 tensors are left out"},
      {"*.2.*", "1 of 5 tensors are left out"},  // an extra layer that the config does not count
      {"*.1.*",
       "2 of 5 tensors are left out; config.json asks for 2 layers, and 1 of them lack "
       "tensors now"},
      {"*.w",
       "3 of 5 tensors are left out; config.json asks for 2 layers, and 2 of them lack "
       "tensors now"},
  };
  for (const auto& [pattern, warning] : rows) {
    const Result<MergePlan> made = plan({.exclude = {pattern}});
    ASSERT_TRUE(made) << made.error().message;
    ASSERT_EQ(made->warnings().size(), 1u) << pattern;
    EXPECT_EQ(made->warnings()[0], warning);
  }
}

// Only sources that let tensors overlap have such; safetensors does not.
TEST(SharedTensors, AreNamed) {
  const auto tensor = [](std::string_view name, uint64_t offset, uint64_t size) {
    TensorInfo info;
    info.name = name;
    info.offset_bytes = offset;
    info.size_bytes = size;
    return info;
  };
  const TensorInfo infos[] = {tensor("embed", 64, 16),  tensor("w", 80, 16),
                              tensor("head", 64, 16),   tensor("part", 64, 8),
                              tensor("nothing", 64, 0), tensor("none", 64, 0)};
  std::vector<SelectedTensor> tensors;
  for (const TensorInfo& row : infos) tensors.push_back({&row, "renamed"});
  EXPECT_EQ(
      shared_tensor_warnings(tensors),
      std::vector<std::string>{"tensors 'embed' and 'head' share 16 bytes and get a copy each"});

  const std::vector<SelectedTensor> many(20, tensors[0]);
  const std::vector<std::string> warnings = shared_tensor_warnings(many);
  ASSERT_EQ(warnings.size(), 9u);
  EXPECT_EQ(warnings.back(), "11 more tensors share their bytes");
}

}  // namespace
}  // namespace stkit
