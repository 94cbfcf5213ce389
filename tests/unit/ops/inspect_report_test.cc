#include <gtest/gtest.h>

#include "inspect_support.h"

namespace stkit::test {
namespace {

TEST(Inspect, EveryByteIsAccountedFor) {
  TempDir dir;
  small_model().shards(3).write(dir.path());
  const InspectReport report = inspected(open_model(dir.path()));
  uint64_t on_disk = 0;
  for (const auto& entry : std::filesystem::directory_iterator(dir.path()))
    if (entry.path().extension() == ".safetensors") on_disk += entry.file_size();
  EXPECT_EQ(report.shard_count, 3u);
  EXPECT_EQ(report.total_bytes, on_disk);
  EXPECT_EQ(report.weight_bytes, kSmallModelBytes);
  EXPECT_EQ(report.header_bytes, on_disk - kSmallModelBytes);
  EXPECT_EQ(report.unaccounted_bytes, 0u);
}

TEST(Inspect, TrailingBytesAreUnaccounted) {
  TempDir dir;
  write_file(dir / "model.safetensors", small_model().file_bytes() + "0123456789");
  auto model = Model::scan((dir / "model.safetensors").string());
  ASSERT_TRUE(model) << model.error().message;
  const InspectReport report = inspected(*model);
  EXPECT_EQ(report.unaccounted_bytes, 10u);
  EXPECT_EQ(report.total_bytes,
            report.header_bytes + report.weight_bytes + report.unaccounted_bytes);
  ASSERT_FALSE(report.warnings.empty());
  EXPECT_NE(report.warnings.front().find("model.safetensors"), std::string::npos);
}

TEST(Inspect, CountsByDType) {
  TempDir dir;
  small_model().write(dir.path());
  const InspectReport report = inspected(open_model(dir.path()));
  EXPECT_EQ(report.tensor_count, 7u);
  EXPECT_EQ(report.parameter_count, kSmallModelParameters);
  ASSERT_EQ(report.dtypes.size(), 2u);
  EXPECT_EQ(report.dtypes.at(DType::F32).tensors, 2u);
  EXPECT_EQ(report.dtypes.at(DType::F32).parameters, 512u);
  EXPECT_EQ(report.dtypes.at(DType::F32).bytes, 2048u);
  EXPECT_EQ(report.dtypes.at(DType::BF16).tensors, 5u);
  EXPECT_EQ(report.dtypes.at(DType::BF16).bytes, kSmallModelBytes - 2048);
}

TEST(Inspect, AdvisesSizesComputedFromTheTensors) {
  TempDir dir;
  small_model().write(dir.path());
  const InspectReport report = inspected(open_model(dir.path()));
  ASSERT_TRUE(report.profile.requires_isq);
  EXPECT_EQ(report.isq.speed, "q4k");
  EXPECT_EQ(report.isq.balanced, "q5k");
  EXPECT_EQ(report.isq.quality, "q6k");
  EXPECT_EQ(report.isq.fallback_default, "q4k");
  // Rows of 256 take the type, rows of 96 its fallback (q5_0, q5_1, q8_0), norms stay F32.
  constexpr uint64_t kWide = 32 + 2 * 256, kShort = 2 * 256 * 3, kNorms = 2048;
  ASSERT_EQ(report.isq.choices.size(), 4u);
  EXPECT_EQ(report.isq.choices[0].estimated_bytes, kWide * 144 + kShort * 22 + kNorms);
  EXPECT_EQ(report.isq.choices[1].estimated_bytes, kWide * 176 + kShort * 24 + kNorms);
  EXPECT_EQ(report.isq.choices[2].estimated_bytes, kWide * 210 + kShort * 34 + kNorms);
  EXPECT_EQ(report.isq.choices[3].estimated_bytes, kWide * 8 * 34 + kShort * 34 + kNorms);
}

TEST(Inspect, NoAdviceForQuantizedWeights) {
  TempDir dir;
  ModelBuilder()
      .config(R"({"model_type": "llama", "quantization_config": {"quant_method": "fp8"}})")
      .tensor("a.weight", DType::F8_E4M3, {4, 256})
      .tensor("a.weight_scale_inv", DType::F32, {1, 2})
      .write(dir.path());
  const InspectReport report = inspected(open_model(dir.path()));
  EXPECT_EQ(report.profile.quantization, "fp8");
  EXPECT_FALSE(report.profile.requires_isq);
  EXPECT_TRUE(report.isq.choices.empty());
  EXPECT_EQ(report.isq.fallback_default, "");
}

// T21
TEST(Inspect, NamesMissingCompanions) {
  using Files = std::vector<std::string>;
  TempDir dir;
  ModelBuilder().tensor("a.weight", DType::BF16, {2, 2}).write(dir.path());
  EXPECT_EQ(inspected(open_model(dir.path())).missing_files, Files{"config.json"});
  write_file(dir / "config.json", R"({"architectures": ["LlamaForCausalLM"]})");
  for (const char* file : {"tokenizer_config.json", "generation_config.json"})
    write_file(dir / file, "{}");
  EXPECT_EQ(inspected(open_model(dir.path())).missing_files, Files{"tokenizer.json"});
}

std::vector<std::string> names(const Model& model, const std::vector<uint32_t>& indices) {
  std::vector<std::string> out;
  for (const uint32_t index : indices) out.emplace_back(model.tensors()[index].name);
  return out;
}

TEST(SelectTensors, FiltersAndSorts) {
  TempDir dir;
  ModelBuilder()
      .tensor("layers.10.w", DType::U8, {3})
      .tensor("layers.2.w", DType::F64, {2})
      .tensor("head", DType::U8, {9})
      .write(dir.path());
  const Model model = open_model(dir.path());
  const auto sorted = [&](Sort sort) { return names(model, select_tensors(model, "*", sort)); };
  using Names = std::vector<std::string>;
  EXPECT_EQ(sorted(Sort::Name), (Names{"head", "layers.2.w", "layers.10.w"}));
  EXPECT_EQ(sorted(Sort::Size), (Names{"layers.2.w", "head", "layers.10.w"}));
  EXPECT_EQ(sorted(Sort::Params), (Names{"head", "layers.10.w", "layers.2.w"}));
  EXPECT_EQ(sorted(Sort::File), (Names{"layers.10.w", "layers.2.w", "head"}));
  EXPECT_EQ(sorted(Sort::Offset), sorted(Sort::File));
  EXPECT_EQ(names(model, select_tensors(model, "layers.*", Sort::Name)),
            (Names{"layers.2.w", "layers.10.w"}));
  EXPECT_TRUE(select_tensors(model, "nothing", Sort::File).empty());
}

}  // namespace
}  // namespace stkit::test
