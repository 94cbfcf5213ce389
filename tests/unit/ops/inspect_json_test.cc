#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "inspect_support.h"

namespace stkit::test {
namespace {

using Keys = std::vector<std::string>;

std::string json_of(const Model& model, const InspectReport& report,
                    const InspectJsonOptions& options = {}) {
  std::string out;
  JsonWriter json(out);
  write_json(json, model, report, options);
  return out;
}

// T62
TEST(InspectJson, KeysAreTheContract) {
  TempDir dir;
  small_model().shards(2).write(dir.path());
  const Model model = open_model(dir.path());
  const JsonValue root = parsed(json_of(model, inspected(model), {.tensors_glob = "*"}));
  EXPECT_EQ(keys(root), (Keys{"name",
                              "path",
                              "file_format",
                              "is_safetensors",
                              "is_gguf",
                              "shard_count",
                              "tensor_count",
                              "parameter_count",
                              "total_bytes",
                              "dtypes",
                              "architecture",
                              "model_type",
                              "base_model_name",
                              "modality",
                              "quantization",
                              "requires_isq",
                              "recommended_isq",
                              "estimated_bytes",
                              "config",
                              "metadata",
                              "files",
                              "missing_files",
                              "warnings",
                              "profile",
                              "tensors"}));
  EXPECT_EQ(keys(*root.find("recommended_isq")), (Keys{"speed", "balanced", "quality", "default"}));
  EXPECT_EQ(keys(*root.find("estimated_bytes")), (Keys{"q4k", "q5k", "q6k", "q8_0"}));
  EXPECT_EQ(keys(*root.find("config")), (Keys{"layers", "hidden_size", "heads", "kv_heads",
                                              "vocab_size", "context_length", "experts"}));
  EXPECT_EQ(keys(*root.find("dtypes")), (Keys{"BF16", "F32"}));
  EXPECT_EQ(keys(*root.find("dtypes")->find("F32")), (Keys{"tensors", "parameters", "bytes"}));
  EXPECT_EQ(keys(root.find("files")->elements().front()),
            (Keys{"name", "bytes", "tensors", "role"}));
  EXPECT_EQ(keys(root.find("tensors")->elements().front()),
            (Keys{"name", "dtype", "shape", "parameters", "bytes", "file", "offset"}));
}

TEST(InspectJson, ValuesOfASmallModel) {
  TempDir dir;
  small_model().shards(2).write(dir.path());
  const Model model = open_model(dir.path());
  const InspectReport report = inspected(model);
  const JsonValue root = parsed(json_of(model, report));
  EXPECT_EQ(root.find("file_format")->as_string(), "safetensors");
  EXPECT_EQ(root.find("is_safetensors")->as_bool(), true);
  EXPECT_EQ(root.find("shard_count")->as_uint(), 2u);
  EXPECT_EQ(root.find("parameter_count")->as_uint(), kSmallModelParameters);
  EXPECT_EQ(root.find("total_bytes")->as_uint(), report.total_bytes);
  EXPECT_EQ(root.find("architecture")->as_string(), "Qwen3ForCausalLM");
  EXPECT_TRUE(root.find("quantization")->is_null());
  EXPECT_EQ(root.find("config")->find("layers")->as_uint(), 2u);
  EXPECT_TRUE(root.find("config")->find("experts")->is_null());
  EXPECT_EQ(root.find("metadata")->find("format")->as_string(), "pt");
  EXPECT_EQ(root.find("tensors"), nullptr) << "only where asked for";
}

TEST(InspectJson, ProfileOfPlainSafetensors) {
  TempDir dir;
  small_model().shards(2).write(dir.path());
  const Model model = open_model(dir.path());
  const JsonValue root = parsed(json_of(model, inspected(model)));
  const JsonValue& profile = *root.find("profile");
  EXPECT_EQ(keys(profile), (Keys{"is_gguf", "is_safetensors", "safetensors_shards", "requires_isq",
                                 "isq", "quantization", "model_type", "file_format", "shard_count",
                                 "file_path", "weights_path", "weights_file"}));
  EXPECT_EQ(profile.find("is_gguf")->as_bool(), false);
  const auto& shards = profile.find("safetensors_shards")->elements();
  ASSERT_EQ(shards.size(), 2u);
  EXPECT_EQ(shards[1].as_string(), "model-00002-of-00002.safetensors");
  EXPECT_EQ(profile.find("isq")->as_string(), "q4k");
  EXPECT_EQ(profile.find("quantization")->as_string(), "safetensors");
  EXPECT_EQ(profile.find("model_type")->as_string(), "qwen3");
  EXPECT_EQ(profile.find("file_path")->as_string(), dir.path().string());
  EXPECT_EQ(profile.find("weights_path")->as_string(), dir.path().string());
  EXPECT_TRUE(profile.find("weights_file")->is_null());
}

TEST(InspectJson, QuantizedWeightsHaveNoAdvice) {
  TempDir dir;
  ModelBuilder()
      .config(R"({"model_type": "llama", "quantization_config": {"quant_method": "fp8"}})")
      .tensor("a.weight", DType::F8_E4M3, {4, 256})
      .tensor("a.weight_scale_inv", DType::F32, {1, 2})
      .write(dir.path());
  const Model model = open_model(dir.path());
  const JsonValue root = parsed(json_of(model, inspected(model)));
  EXPECT_TRUE(root.find("recommended_isq")->is_null());
  EXPECT_TRUE(root.find("estimated_bytes")->is_null());
  EXPECT_EQ(root.find("quantization")->as_string(), "fp8");
  EXPECT_EQ(root.find("profile")->find("quantization")->as_string(), "fp8");
  EXPECT_TRUE(root.find("profile")->find("isq")->is_null());
}

TEST(InspectJson, TensorsAreFilteredSortedAndCarryStatistics) {
  TempDir dir;
  small_model().write(dir.path());
  const Model model = open_model(dir.path());
  InspectReport report = inspected(model);
  report.stats.resize(model.tensors().size());
  TensorStats stats;
  stats.min = -1.5;
  stats.max = std::numeric_limits<double>::quiet_NaN();
  stats.nan = 7;
  const auto norms = select_tensors(model, "*norm*", Sort::Name);
  ASSERT_EQ(norms.size(), 2u);
  report.stats[norms[0]] = stats;

  const JsonValue root =
      parsed(json_of(model, report, {.tensors_glob = "*norm*", .sort = Sort::Name}));
  const auto& tensors = root.find("tensors")->elements();
  ASSERT_EQ(tensors.size(), 2u);
  const TensorInfo& first = model.tensors()[norms[0]];
  EXPECT_EQ(tensors[0].find("name")->as_string(), "model.layers.0.input_layernorm.weight");
  EXPECT_EQ(tensors[0].find("dtype")->as_string(), "F32");
  EXPECT_EQ(tensors[0].find("shape")->elements().front().as_uint(), 256u);
  EXPECT_EQ(tensors[0].find("bytes")->as_uint(), 1024u);
  EXPECT_EQ(tensors[0].find("file")->as_string(), "model.safetensors");
  EXPECT_EQ(tensors[0].find("offset")->as_uint(), first.offset_bytes);
  const JsonValue* written = tensors[0].find("stats");
  ASSERT_NE(written, nullptr);
  EXPECT_EQ(keys(*written), (Keys{"min", "max", "mean", "std", "nan", "inf", "zero"}));
  EXPECT_EQ(written->find("min")->as_number(), -1.5);
  EXPECT_TRUE(written->find("max")->is_null()) << "JSON has no NaN";
  EXPECT_EQ(written->find("nan")->as_uint(), 7u);
  EXPECT_EQ(tensors[1].find("stats"), nullptr) << "none was computed";
}

TEST(InspectJson, HostileNamesStayInsideTheirStrings) {
  TempDir dir;
  const std::string name = "a\"},\x1b[2J\n\xE2\x80\xAE";
  ModelBuilder().tensor(name, DType::U8, {1}).metadata("\"", "\\").write(dir.path());
  const Model model = open_model(dir.path());
  const JsonValue root = parsed(json_of(model, inspected(model), {.tensors_glob = "*"}));
  EXPECT_EQ(root.find("tensors")->elements().front().find("name")->as_string(), name);
  EXPECT_EQ(root.find("metadata")->find("\"")->as_string(), "\\");
}

TEST(JsonWriter, FlushesLongDocumentsInPieces) {
  std::string whole, buffer;
  size_t calls = 0, longest = 0;
  JsonWriter json(buffer, 0, [&](std::string& text) {
    ++calls;
    longest = std::max(longest, text.size());
    whole += text;
    text.clear();
  });
  json.begin_array();
  for (int i = 0; i < 100'000; ++i) json.value(i);
  json.end_array();
  whole += buffer;
  EXPECT_GT(calls, 5u);
  EXPECT_LT(longest, JsonWriter::kFlushBytes + 100);
  EXPECT_EQ(parsed(whole).elements().size(), 100'000u);
}

}  // namespace
}  // namespace stkit::test
