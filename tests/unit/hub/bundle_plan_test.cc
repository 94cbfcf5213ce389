#include "hub/bundle_plan.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace stkit {
namespace {

RepoTree tree_of(std::vector<std::pair<std::string, uint64_t>> files) {
  RepoTree tree{.repo = "org/name", .revision = "main", .commit = {}, .files = {}};
  for (auto& [path, size] : files) {
    RepoFile file;
    file.path = path;
    file.size_bytes = size;
    tree.files.push_back(std::move(file));
  }
  std::ranges::sort(tree.files, {}, &RepoFile::path);
  return tree;
}

std::set<std::string> taken(const Result<BundlePlan>& plan) {
  std::set<std::string> names;
  if (!plan) return {"error: " + plan.error().message};
  for (const PlannedFile& file : plan->files) {
    if (file.taken) names.insert(file.file.path);
    EXPECT_FALSE(file.reason.empty()) << file.file.path;
  }
  return names;
}

constexpr uint64_t kLarge = 5'000'000'000;

TEST(BundlePlan, TakesOneCopyOfTheWeightsAndWhatBelongsToIt) {
  const RepoTree tree = tree_of({{".gitattributes", 1500},
                                 {"LICENSE", 11000},
                                 {"README.md", 20000},
                                 {"config.json", 700},
                                 {"generation_config.json", 200},
                                 {"model-00001-of-00002.safetensors", kLarge},
                                 {"model-00002-of-00002.safetensors", kLarge},
                                 {"model.safetensors.index.json", 30000},
                                 {"consolidated.safetensors", kLarge},
                                 {"pytorch_model.bin", kLarge},
                                 {"pytorch_model.bin.index.json", 30000},
                                 {"original/consolidated.00.pth", kLarge},
                                 {"onnx/model.onnx", kLarge},
                                 {"onnx/config.json", 700},
                                 {"tf_model.h5", kLarge},
                                 {"model-q4.gguf", kLarge},
                                 {"tokenizer.json", 9'000'000},
                                 {"tokenizer.model", 4'000'000},
                                 {"merges.txt", 1'500'000},
                                 {"chat_template.jinja", 3000},
                                 {"additional_chat_templates/tools.jinja", 3000},
                                 {"modeling_x.py", 60000},
                                 {"banner.png", 3'000'000},
                                 {"logo.svg", 3000},
                                 {"runs/events.out.tfevents.1", 3000},
                                 {"training_args.bin", 5000},
                                 {"optimizer.pt", kLarge},
                                 {"checkpoint-5/model.safetensors", kLarge}});
  const std::set<std::string> indexed = {"model-00001-of-00002.safetensors",
                                         "model-00002-of-00002.safetensors"};
  ASSERT_NE(index_to_read(tree, {}), nullptr);
  EXPECT_EQ(index_to_read(tree, {})->path, "model.safetensors.index.json");
  const std::set<std::string> wanted = {"LICENSE",
                                        "README.md",
                                        "additional_chat_templates/tools.jinja",
                                        "chat_template.jinja",
                                        "config.json",
                                        "generation_config.json",
                                        "logo.svg",
                                        "merges.txt",
                                        "model-00001-of-00002.safetensors",
                                        "model-00002-of-00002.safetensors",
                                        "model.safetensors.index.json",
                                        "modeling_x.py",
                                        "tokenizer.json",
                                        "tokenizer.model"};
  EXPECT_EQ(taken(plan_bundle(tree, {}, indexed)), wanted);
  EXPECT_EQ(taken(plan_bundle(tree, {}, std::nullopt)), wanted);  // names alone say the same here

  BundleSelection exclude;
  exclude.exclude = {"*.md", "tokenizer*"};
  EXPECT_EQ(taken(plan_bundle(tree, exclude, indexed)).size(), wanted.size() - 3);
  BundleSelection include;
  include.include = {"onnx/*", "*.png"};
  include.exclude = {"*.onnx"};
  EXPECT_EQ(taken(plan_bundle(tree, include, std::nullopt)),
            (std::set<std::string>{"onnx/config.json", "banner.png"}));
  BundleSelection all;
  all.format = WeightFormat::All;
  EXPECT_EQ(taken(plan_bundle(tree, all, std::nullopt)).size(), tree.files.size());
  BundleSelection pytorch;
  pytorch.format = WeightFormat::PyTorch;
  const auto bin = taken(plan_bundle(tree, pytorch, std::set<std::string>{"pytorch_model.bin"}));
  EXPECT_TRUE(bin.contains("pytorch_model.bin"));
  EXPECT_TRUE(bin.contains("pytorch_model.bin.index.json"));
  EXPECT_FALSE(bin.contains("model-00001-of-00002.safetensors"));
}

TEST(BundlePlan, KnowsLayoutsOfOtherKinds) {
  const struct {
    std::string_view name;
    std::vector<std::pair<std::string, uint64_t>> files;
    std::set<std::string> taken;
  } kCases[] = {
      {"diffusers",
       {{"model_index.json", 500},
        {"unet/config.json", 500},
        {"unet/diffusion_pytorch_model.safetensors", kLarge},
        {"unet/diffusion_pytorch_model.fp16.safetensors", kLarge},
        {"unet/diffusion_pytorch_model.bin", kLarge},
        {"scheduler/scheduler_config.json", 500},
        {"flux1-dev.txt", 10}},
       {"model_index.json", "unet/config.json", "unet/diffusion_pytorch_model.safetensors",
        "scheduler/scheduler_config.json", "flux1-dev.txt"}},
      {"adapter",
       {{"adapter_config.json", 500}, {"adapter_model.safetensors", kLarge}},
       {"adapter_config.json", "adapter_model.safetensors"}},
      {"mistral's own",
       {{"consolidated.safetensors", kLarge}, {"params.json", 500}, {"tekken.json", 9'000'000}},
       {"consolidated.safetensors", "params.json", "tekken.json"}},
      {"sentence-transformers",
       {{"modules.json", 500},
        {"model.safetensors", kLarge},
        {"1_Pooling/config.json", 500},
        {"2_Dense/model.safetensors", kLarge},
        {"2_Dense/config.json", 500}},
       {"modules.json", "model.safetensors", "1_Pooling/config.json", "2_Dense/model.safetensors",
        "2_Dense/config.json"}},
      {"only PyTorch",
       {{"pytorch_model.bin", kLarge}, {"config.json", 500}},
       {"pytorch_model.bin", "config.json"}},
      {"one GGUF in parts",
       {{"m-q4-00001-of-00002.gguf", kLarge}, {"m-q4-00002-of-00002.gguf", kLarge}},
       {"m-q4-00001-of-00002.gguf", "m-q4-00002-of-00002.gguf"}},
  };
  for (const auto& c : kCases)
    EXPECT_EQ(taken(plan_bundle(tree_of(c.files), {}, std::nullopt)), c.taken) << c.name;
}

TEST(BundlePlan, RefusesWithAWayOut) {
  const struct {
    std::string_view name;
    std::vector<std::pair<std::string, uint64_t>> files;
    std::set<std::string> indexed;
    ErrorCode code;
    std::string_view message;
  } kCases[] = {
      {"several GGUF",
       {{"a-Q4_K_M.gguf", kLarge}, {"a-Q8_0.gguf", kLarge}},
       {},
       ErrorCode::Usage,
       "2 different GGUF files"},
      {"no weights",
       {{"README.md", 10}, {"data.parquet", kLarge}},
       {},
       ErrorCode::NotFound,
       "there are .parquet"},
      {"nothing", {}, {}, ErrorCode::NotFound, "no weights"},
      {"shard missing",  // T19
       {{"model-00001-of-00002.safetensors", kLarge}},
       {"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"},
       ErrorCode::Corrupt,
       "which the repository does not have"},
      {"sizes without a sum",  // T55
       {{"a.safetensors", INT64_MAX}, {"b.safetensors", INT64_MAX}, {"c.safetensors", INT64_MAX}},
       {},
       ErrorCode::Corrupt,
       "no sum"},
      {"climbs out", {{"../x.safetensors", kLarge}}, {}, ErrorCode::Corrupt, "'..'"},  // T55
      {"device",
       {{"model.safetensors", kLarge}, {"NUL.json", 5}},
       {},
       ErrorCode::Corrupt,
       "device"},
  };
  for (const auto& c : kCases) {
    std::optional<std::set<std::string>> indexed;
    if (!c.indexed.empty()) indexed = c.indexed;
    const auto plan = plan_bundle(tree_of(c.files), {}, indexed);
    ASSERT_FALSE(plan) << c.name;
    EXPECT_EQ(plan.error().code, c.code) << c.name << ": " << plan.error().message;
    EXPECT_NE(plan.error().message.find(c.message), std::string::npos)
        << c.name << ": " << plan.error().message;
  }
}

}  // namespace
}  // namespace stkit
