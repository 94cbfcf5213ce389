// Bytes of tensors, whatever files they were in and go to.
#include <algorithm>
#include <cstdlib>

#include "base/digest.h"
#include "merge_random_model.h"
#include "merge_support.h"
#include "model/model_digest.h"
#include "stkit/validate.h"

namespace stkit {
namespace {

using namespace test;

ModelBuilder small_model() {
  return ModelBuilder()
      .tensor("model.embed.weight", DType::BF16, {40, 8})
      .tensor("model.layers.0.weight", DType::F32, {8, 8})
      .tensor("model.layers.1.weight", DType::F16, {8, 9})
      .tensor("lm_head.weight", DType::BF16, {40, 8})
      .metadata("format", "pt");
}

TEST(MergeCopy, ShardsBecomeOneFileWithTheirCompanions) {
  TempDir dir;
  small_model().shards(3).write(dir / "in");
  write_file(dir / "in/tokenizer.json", "{ }\n");
  write_file(dir / "in/additional_chat_templates/tool.jinja", "{{x}}");
  write_file(dir / "in/optimizer.pt", "no companion");
  write_file(dir / "in/.hidden", "neither");
  const MergeReport report = must_merge(dir / "in", dir / "out");
  const auto files = files_below(dir / "out");
  EXPECT_EQ(names_below(dir / "out"),
            (std::set<std::string>{"model.safetensors", "tokenizer.json",
                                   "additional_chat_templates/tool.jinja"}));
  EXPECT_EQ(files.at("tokenizer.json"), "{ }\n");
  EXPECT_EQ(report.output, (dir / "out").string());
  uint64_t bytes = 0;
  for (const auto& [name, content] : files) bytes += content.size();
  EXPECT_EQ(report.output_bytes, bytes);
  EXPECT_FALSE(report.model_digest);
}

TEST(MergeCopy, AFileHasNoCompanions) {
  TempDir dir;
  small_model().shards(2).config("{}").write(dir / "in");
  must_merge(dir / "in", dir / "new/one.safetensors");
  EXPECT_EQ(names_below(dir / "new"), std::set<std::string>{"one.safetensors"});
  must_merge(dir / "in", dir / "out");
  EXPECT_TRUE(read_file(dir / "new/one.safetensors") == read_file(dir / "out/model.safetensors"));
}

TEST(MergeCopy, CompanionsByChoice) {
  TempDir dir;
  small_model().config("{}").write(dir / "in");
  write_file(dir / "in/tokenizer.json", "{}");
  must_merge(dir / "in", dir / "none", {.options = {.copy_files = "none", .sync = false}});
  EXPECT_EQ(names_below(dir / "none"), std::set<std::string>{"model.safetensors"});
  must_merge(dir / "in", dir / "some", {.options = {.copy_files = "token*", .sync = false}});
  EXPECT_EQ(names_below(dir / "some"),
            (std::set<std::string>{"model.safetensors", "tokenizer.json"}));
}

TEST(MergeCopy, PartsOfPipelinesAndAdaptersKeepTheirNames) {
  TempDir dir;
  const std::string bytes = small_model().file_bytes();
  for (const std::string stem : {"diffusion_pytorch_model", "adapter_model"}) {
    write_file(dir / stem / (stem + ".safetensors"), bytes);
    must_merge(dir / stem, dir / (stem + "-out"));
    EXPECT_EQ(names_below(dir / (stem + "-out")), std::set<std::string>{stem + ".safetensors"});
  }
}

// The tensors of a file as they are in it.
void expect_tensors(const std::filesystem::path& path, const RandomModel& expected) {
  const Result<Model> model = Model::open(path.string());
  ASSERT_TRUE(model) << model.error().message;
  ASSERT_EQ(model->tensors().size(), expected.tensors().size());
  for (const RandomModel::Tensor& wanted : expected.tensors()) {
    const TensorInfo* tensor = model->find(wanted.name);
    ASSERT_NE(tensor, nullptr) << wanted.name;
    EXPECT_EQ(tensor->dtype, wanted.dtype);
    EXPECT_TRUE(std::ranges::equal(tensor->shape, wanted.shape));
    std::string data(tensor->size_bytes, '\0');
    ASSERT_TRUE(
        model->read(*tensor, 0, tensor->element_count, std::as_writable_bytes(std::span(data))));
    EXPECT_TRUE(data == wanted.data()) << wanted.name;
  }
  for (const auto& [key, value] : expected.metadata()) EXPECT_EQ(model->metadata().at(key), value);
  EXPECT_TRUE(model->metadata().contains("format"));
}

// STKIT_RANDOM_MODELS=1000 looks at more than a run of all tests has time for.
unsigned random_models() {
  const char* wanted = std::getenv("STKIT_RANDOM_MODELS");
  return wanted == nullptr ? 10 : static_cast<unsigned>(std::strtoul(wanted, nullptr, 10));
}

// T16, T17, T63
TEST(MergeCopy, RandomModelsKeepEveryByte) {
  for (unsigned seed = 0; seed < random_models(); ++seed) {
    SCOPED_TRACE(seed);
    TempDir dir;
    RandomModel model(seed);
    const size_t most = std::min<size_t>(model.tensors().size(), 200);
    model.write(dir / "in", 1 + model.below(static_cast<unsigned>(most)));
    must_merge(dir / "in", dir / "one", {.options = {.sync = false, .verify = true}});
    expect_tensors(dir / "one", model);
    const std::string one = read_file(dir / "one/model.safetensors");

    const MergeRun reshard{
        .options = {.max_shard_bytes = 1 + model.below(200'000), .sync = false, .verify = true}};
    must_merge(dir / "in", dir / "shards", reshard);
    expect_tensors(dir / "shards", model);
    must_merge(dir / "shards", dir / "again");
    EXPECT_TRUE(read_file(dir / "again/model.safetensors") == one);

    const MergeRun slow{.options = {.sync = false}, .run = {.threads = 8, .max_memory_bytes = 1}};
    must_merge(dir / "in", dir / "slow", slow);
    EXPECT_TRUE(read_file(dir / "slow/model.safetensors") == one);
    must_merge(dir / "in", dir / "direct", {.options = {.io = IoMode::Direct, .sync = false}});
    EXPECT_TRUE(read_file(dir / "direct/model.safetensors") == one);
  }
}

// The index decides, as it does for loaders; what it leaves out is said.
TEST(MergeCopy, WhatTheIndexDoesNotNameIsLeftBehind) {
  TempDir dir;
  ModelBuilder()
      .tensor("a", DType::U8, {4})
      .tensor("b", DType::U8, {4})
      .shards(2)
      .write(dir / "in");
  must_merge(dir / "in", dir / "expected");
  const ModelBuilder stray = ModelBuilder().tensor("a", DType::U8, {9});
  write_file(dir / "in/model-00001-of-00003.safetensors", stray.file_bytes());
  write_file(dir / "in/model.safetensors", stray.file_bytes());
  ModelBuilder second;
  second.tensor("b", DType::U8, {4}).tensor("c", DType::U8, {4});
  write_file(dir / "in/model-00002-of-00002.safetensors", second.file_bytes());

  const auto plan = MergePlan::make((dir / "in").string(), (dir / "out").string(), {.sync = false});
  ASSERT_TRUE(plan) << plan.error().message;
  std::string warnings;
  for (const std::string& warning : plan->warnings()) warnings += warning + "\n";
  EXPECT_EQ(plan->warnings().size(), 3u) << warnings;
  for (const std::string_view part :
       {"1 tensor in this file that the index does not take from it: 'c'",
        "'model-00001-of-00003.safetensors' is not in the index",
        "'model.safetensors' lies beside the shards"})
    EXPECT_NE(warnings.find(part), std::string::npos) << warnings;
  ASSERT_TRUE(merge(*plan, {}));
  EXPECT_TRUE(files_below(dir / "out") == files_below(dir / "expected"));
}

TEST(MergeCopy, TwoHundredShards) {
  TempDir dir;
  ModelBuilder builder;
  for (int i = 0; i < 200; ++i) builder.tensor(fmt::format("t{}", i), DType::U8, {7});
  builder.metadata("format", "pt").shards(200).write(dir / "in");
  must_merge(dir / "in", dir / "one");
  must_merge(dir / "in", dir / "many", {.options = {.max_shard_bytes = 7, .sync = false}});
  EXPECT_EQ(names_below(dir / "many").size(), 201u);
  must_merge(dir / "many", dir / "again");
  EXPECT_TRUE(files_below(dir / "again") == files_below(dir / "one"));
}

TEST(MergeCopy, AModelWithoutTensors) {  // T17
  TempDir dir;
  ModelBuilder().metadata("k", "v").write(dir / "in");
  must_merge(dir / "in", dir / "out", {.options = {.max_shard_bytes = 1, .sync = false}});
  EXPECT_EQ(read_file(dir / "out/model.safetensors"),
            safetensors_bytes(R"({"__metadata__":{"format":"pt","k":"v"}})", ""));
}

TEST(MergeCopy, DataMayStartAtABlock) {
  TempDir dir;
  small_model().write(dir / "in");
  must_merge(dir / "in", dir / "out", {.options = {.data_alignment = 4096, .sync = false}});
  const Result<Model> model = Model::open((dir / "out").string());
  ASSERT_TRUE(model);
  EXPECT_EQ(model->tensors()[0].offset_bytes, 4096u);
}

TEST(MergeCopy, VerifyGivesTheDigestOfTheModel) {
  TempDir dir;
  small_model().shards(2).write(dir / "in");
  const MergeReport report = must_merge(dir / "in", dir / "out", {.options = {.verify = true}});
  const Result<Model> source = Model::open((dir / "in").string());
  ASSERT_TRUE(source && report.model_digest);
  EXPECT_EQ(*report.model_digest, model_digest(*source, {}).value());

  // Of what was written, not of what it was made from.
  const MergeReport renamed = must_merge(
      dir / "in", dir / "renamed",
      {.options = {.dtype = DType::F32, .rename = {{"^", "x."}}, .sync = false, .verify = true}});
  const Result<Model> result = Model::open((dir / "renamed").string());
  ASSERT_TRUE(result && renamed.model_digest);
  EXPECT_EQ(*renamed.model_digest, model_digest(*result, {}).value());
  EXPECT_NE(*renamed.model_digest, *report.model_digest);
}

TEST(MergeCopy, Metadata) {
  TempDir dir;
  const auto shard = [&](std::string_view file, std::string_view tensor, std::string_view value) {
    write_file(dir / "in" / file, ModelBuilder()
                                      .tensor(std::string(tensor), DType::U8, {8})
                                      .metadata("format", "mlx")
                                      .metadata("author", std::string(value))
                                      .metadata(std::string(tensor), "own")
                                      .file_bytes());
  };
  shard("model-00001-of-00002.safetensors", "a", "first");
  shard("model-00002-of-00002.safetensors", "b", "second");
  const auto metadata_of = [](const std::filesystem::path& path) {
    return Model::open(path.string()).value().metadata();
  };
  const auto plan = MergePlan::make((dir / "in").string(), (dir / "out").string(), {});
  ASSERT_TRUE(plan);
  ASSERT_FALSE(plan->warnings().empty());
  EXPECT_EQ(plan->warnings().front(),
            "the shards disagree on metadata 'author'; 'first', as in the first of them that has "
            "it, is kept");
  must_merge(dir / "in", dir / "out");
  using Metadata = std::map<std::string, std::string, std::less<>>;
  EXPECT_EQ(metadata_of(dir / "out"),
            (Metadata{{"a", "own"}, {"author", "first"}, {"b", "own"}, {"format", "mlx"}}));

  const MergeOptions options{.metadata = {{"author", "me"}, {"format", "pt"}}, .sync = false};
  const auto quiet = MergePlan::make((dir / "in").string(), (dir / "set").string(), options);
  ASSERT_TRUE(quiet);
  for (const std::string& warning : quiet->warnings())
    EXPECT_EQ(warning.find("disagree"), std::string::npos) << warning;
  must_merge(dir / "in", dir / "set", {.options = options});
  EXPECT_EQ(metadata_of(dir / "set"),
            (Metadata{{"a", "own"}, {"author", "me"}, {"b", "own"}, {"format", "pt"}}));
}

// What one plan holds for real models: planned without a byte of weights.
TEST(MergeCopy, AHundredThousandTensors) {
  TempDir dir;
  ModelBuilder builder;
  for (int i = 0; i < 100'000; ++i)
    builder.tensor(fmt::format("model.layers.{}.mlp.experts.{}.weight", i / 500, i % 500),
                   DType::U8, {1});
  builder.shards(20).write(dir / "in");
  const auto plan =
      MergePlan::make((dir / "in").string(), (dir / "out").string(), {.max_shard_bytes = 10'000});
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_EQ(plan->files().size(), 11u);
  EXPECT_EQ(plan->files()[3].tensors, 10'000u);
  EXPECT_EQ(plan->input_bytes(), 100'000u);
}

}  // namespace
}  // namespace stkit
