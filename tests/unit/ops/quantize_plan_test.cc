#include <filesystem>
#include <map>

#include "base/json_reader.h"
#include "quantize_support.h"
#include "stkit/json.h"

namespace stkit::test {
namespace {

std::map<std::string, std::string> types_of(const QuantizePlan& plan) {
  std::map<std::string, std::string> types;
  for (const QuantizePlan::Tensor& tensor : plan.tensors())
    types[tensor.name] = std::string(name(tensor.to));
  return types;
}

TEST(QuantizePlan, EveryKindOfTensor) {
  const TempDir dir;
  mixed_model().write(dir / "model");
  const QuantizePlan plan = planned(dir / "model", dir / "out.gguf");
  auto types = types_of(plan);
  EXPECT_EQ(types["model.embed_tokens.weight"], "Q4_K");
  EXPECT_EQ(types["model.layers.10.q_proj.weight"], "Q4_K");
  EXPECT_EQ(types["model.layers.10.q_proj.bias"], "F32");
  EXPECT_EQ(types["model.layers.10.norm.weight"], "F32");
  EXPECT_EQ(types["model.layers.10.down_proj.weight"], "Q5_0");
  EXPECT_EQ(types["lm_head.weight"], "Q4_K");
  EXPECT_EQ(types["position_ids"], "I64");
  EXPECT_FALSE(std::filesystem::exists(dir / "out.gguf"));

  std::vector<std::string> layers;
  for (const auto& tensor : plan.tensors())
    if (tensor.name.ends_with("norm.weight")) layers.push_back(tensor.name.substr(13, 2));
  EXPECT_EQ(layers, (std::vector<std::string>{"0.", "1.", "2.", "10"})) << "in natural order";
}

// T35
TEST(QuantizePlan, FallbacksAreListedWithTheirShare) {
  const TempDir dir;
  ModelBuilder builder;
  const struct {
    uint64_t columns;
    DType q4k, q8_0, pure;
  } cases[] = {
      {256, DType::Q4_K, DType::Q8_0, DType::Q4_K}, {288, DType::Q5_0, DType::Q8_0, DType::F16},
      {1, DType::F16, DType::F16, DType::F16},      {255, DType::F16, DType::F16, DType::F16},
      {257, DType::F16, DType::F16, DType::F16},    {2688, DType::Q5_0, DType::Q8_0, DType::F16}};
  for (const auto& row : cases)
    builder.tensor("c" + std::to_string(row.columns) + ".weight", DType::F32, {2, row.columns});
  write_file(dir / "m.safetensors", builder.file_bytes());
  const QuantizePlan q4k = planned(dir / "m.safetensors", dir / "out.gguf");
  const QuantizePlan q8_0 = planned(dir / "m.safetensors", dir / "out.gguf", {.isq = "q8_0"});
  const QuantizePlan pure = planned(dir / "m.safetensors", dir / "out.gguf", {.pure = true});
  for (const auto& row : cases) {
    const std::string tensor = "c" + std::to_string(row.columns) + ".weight";
    EXPECT_EQ(tensor_of(q4k, tensor).to, row.q4k) << tensor;
    EXPECT_EQ(tensor_of(q8_0, tensor).to, row.q8_0) << tensor;
    EXPECT_EQ(tensor_of(pure, tensor).to, row.pure) << tensor;
    const auto wanted = row.columns == 256 ? std::nullopt : std::optional(DType::Q4_K);
    EXPECT_EQ(tensor_of(q4k, tensor).instead_of, wanted) << tensor;
  }
  EXPECT_EQ(q4k.fallback_parameters(), 2u * (288 + 1 + 255 + 257 + 2688));
  EXPECT_EQ(q4k.parameter_count(), 2u * (256 + 288 + 1 + 255 + 257 + 2688));
}

TEST(QuantizePlan, OptionsChooseTypes) {
  const TempDir dir;
  mixed_model().write(dir / "model");
  const QuantizePlan plan =
      planned(dir / "model", dir / "out.gguf",
              {.isq = "Q6_K",
               .tensor_types = {{"*.0.q_proj.weight", "f16"}, {"*.q_proj.weight", "q8_0"}},
               .output_type = "bf16",
               .embedding_type = "q3k",
               .keep = {"*.1.*", "nothing*"}});
  auto types = types_of(plan);
  EXPECT_EQ(types["model.layers.0.q_proj.weight"], "F16") << "the first glob that matches";
  EXPECT_EQ(types["model.layers.2.q_proj.weight"], "Q8_0");
  EXPECT_EQ(types["model.layers.1.q_proj.weight"], "BF16") << "--keep wins";
  EXPECT_EQ(types["model.layers.1.norm.weight"], "BF16");
  EXPECT_EQ(types["model.layers.1.down_proj.weight"], "F32");
  EXPECT_EQ(types["model.layers.2.down_proj.weight"], "Q8_0") << "the fallback of q6k";
  EXPECT_EQ(types["lm_head.weight"], "BF16");
  EXPECT_EQ(types["model.embed_tokens.weight"], "Q3_K");
  ASSERT_EQ(plan.warnings().size(), 1u);
  EXPECT_EQ(plan.warnings()[0], "--keep 'nothing*' is for no tensor of the output");
}

TEST(QuantizePlan, TypesThatGgufLacksWidenToThoseThatHoldTheirValues) {
  const TempDir dir;
  ModelBuilder builder;
  const std::pair<DType, DType> cases[] = {
      {DType::BOOL, DType::I8},         {DType::U8, DType::I16},         {DType::I8, DType::I8},
      {DType::U16, DType::I32},         {DType::U32, DType::I64},        {DType::I16, DType::I16},
      {DType::F8_E4M3, DType::F16},     {DType::F8_E5M2, DType::F16},    {DType::F64, DType::F64},
      {DType::F8_E4M3FNUZ, DType::F16}, {DType::F6_E2M3, DType::F16},    {DType::F4, DType::F16},
      {DType::F8_E8M0, DType::F32},     {DType::F8_E5M2FNUZ, DType::F16}};
  for (const auto& [from, to] : cases) builder.tensor(std::string(name(from)), from, {2, 64});
  write_file(dir / "m.safetensors", builder.file_bytes());
  const QuantizePlan plan = planned(dir / "m.safetensors", dir / "out.gguf");
  for (const auto& [from, to] : cases) EXPECT_EQ(tensor_of(plan, name(from)).to, to) << name(from);

  for (const DType dtype : {DType::U64, DType::C64}) {
    ModelBuilder other;
    other.tensor("x", dtype, {4});
    write_file(dir / "x.safetensors", other.file_bytes());
    const Error error = quantize_error(dir / "x.safetensors", dir / "out.gguf");
    EXPECT_EQ(error.code, ErrorCode::Unsupported);
    EXPECT_NE(error.message.find("'x' is " + std::string(name(dtype))), std::string::npos);
  }
}

TEST(QuantizePlan, MetadataOfTheFile) {
  const TempDir dir;
  mixed_model()
      .config(R"({"architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3"})")
      .write(dir / "model");
  const struct {
    const char* isq;
    uint32_t file_type;
  } cases[] = {{"q2k", 10}, {"q3k", 11}, {"q4_0", 2}, {"q4_1", 3}, {"q4k", 14},   {"q5_0", 8},
               {"q5_1", 9}, {"q5k", 16}, {"q6k", 18}, {"q8_0", 7}, {"iq4_nl", 25}};
  for (const auto& row : cases) {
    quantized(dir / "model", dir / "out.gguf", {.isq = row.isq, .arch = "none", .overwrite = true});
    const GgufFile file(dir / "out.gguf");
    EXPECT_EQ(as_uint(file.header.find("general.file_type")), row.file_type) << row.isq;
    EXPECT_EQ(as_uint(file.header.find("general.quantization_version")), 2u);
    EXPECT_EQ(as_string(file.header.find("general.architecture")), "qwen3");
    EXPECT_EQ(as_string(file.header.find("general.name")), "model");
  }

  // The names of its tensors would make it a llama, but nobody said so.
  ModelBuilder bare;
  bare.tensor("model.layers.0.self_attn.q_proj.weight", DType::F32, {2, 256});
  write_file(dir / "bare.safetensors", bare.file_bytes());
  quantized(dir / "bare.safetensors", dir / "out.gguf", {.overwrite = true});
  EXPECT_EQ(as_string(GgufFile(dir / "out.gguf").header.find("general.architecture")), "unknown");
}

TEST(QuantizePlan, QuantizedModelsAreLeftAlone) {
  const TempDir dir;
  ModelBuilder gptq;
  gptq.tensor("a.qweight", DType::I32, {8, 8}).tensor("a.g_idx", DType::I32, {8});
  write_file(dir / "gptq.safetensors", gptq.file_bytes());
  const Error error = quantize_error(dir / "gptq.safetensors", dir / "out.gguf");
  EXPECT_EQ(error.code, ErrorCode::Unsupported);
  EXPECT_EQ(error.message, "the weights are quantized already (gptq)");
  const QuantizePlan plan =
      planned(dir / "gptq.safetensors", dir / "out.gguf", {.only_if_plain = true});
  EXPECT_EQ(plan.quantized_already(), "gptq");
  EXPECT_FALSE(quantize(plan, {}));

  // FP8 with scales is quantized; FP8 alone is a cast, and its values are the weights.
  ModelBuilder cast;
  cast.tensor("a.weight", DType::F8_E4M3, {4, 256});
  write_file(dir / "cast.safetensors", cast.file_bytes());
  EXPECT_EQ(tensor_of(planned(dir / "cast.safetensors", dir / "out.gguf"), "a.weight").to,
            DType::Q4_K);
  cast.tensor("a.weight_scale", DType::F32, {1});
  write_file(dir / "scaled.safetensors", cast.file_bytes());
  EXPECT_EQ(quantize_error(dir / "scaled.safetensors", dir / "out.gguf").message,
            "the weights are quantized already (fp8)");
}

// T46
TEST(QuantizePlan, OutputIsNoInput) {
  const TempDir dir;
  mixed_model().write(dir / "model");
  const auto input = dir / "model" / "model.safetensors";
  std::filesystem::create_hard_link(input, dir / "link.gguf");
  for (const auto& output : {input, dir / "link.gguf", dir / "model" / "out.gguf", dir / "model"}) {
    const Error error = quantize_error(dir / "model", output, {.overwrite = true});
    EXPECT_EQ(error.code, ErrorCode::OutputConflict) << output << ": " << error.message;
  }
  // Beside a model that is a file, not in a folder that is one, a new file is no conflict.
  EXPECT_TRUE(QuantizePlan::make(input.string(), (dir / "model" / "out.gguf").string(), {}));

  write_file(dir / "there.gguf", "x");
  EXPECT_EQ(quantize_error(dir / "model", dir / "there.gguf").code, ErrorCode::OutputExists);
  EXPECT_EQ(read_file(dir / "there.gguf"), "x");
  EXPECT_EQ(info(quantize_error(dir / "model", "/dev/full", {.overwrite = true}).code).exit_code,
            7);
}

TEST(QuantizePlan, WhatCannotBe) {
  const TempDir dir;
  ModelBuilder builder;
  builder.tensor(std::string(64, 'x'), DType::F32, {4});
  write_file(dir / "long.safetensors", builder.file_bytes());
  EXPECT_NE(quantize_error(dir / "long.safetensors", dir / "o.gguf").message.find("64 bytes"),
            std::string::npos);
  ModelBuilder five;
  five.tensor("x", DType::F32, {2, 1, 1, 1, 2});
  write_file(dir / "five.safetensors", five.file_bytes());
  EXPECT_NE(quantize_error(dir / "five.safetensors", dir / "o.gguf").message.find("5 dimensions"),
            std::string::npos);

  EXPECT_EQ(quantize_error(dir / "five.safetensors", dir / "o.gguf", {.isq = "q4kk"}).hint,
            "did you mean 'q4k'?");
  EXPECT_EQ(
      quantize_error(dir / "five.safetensors", dir / "o.gguf", {.tensor_types = {{"*", "f17"}}})
          .code,
      ErrorCode::Usage);
  EXPECT_EQ(quantize_error(dir / "nowhere", dir / "o.gguf").code, ErrorCode::NotFound);
}

TEST(QuantizePlan, WaysToNameAType) {
  const std::pair<uint64_t, std::string_view> bits[] = {
      {2, "q2k"}, {3, "q3k"}, {4, "q4k"}, {5, "q5k"}, {6, "q6k"}, {7, "q8_0"}, {8, "q8_0"}};
  for (const auto& [number, isq] : bits) EXPECT_EQ(*isq_for_bits(number), isq);
  EXPECT_FALSE(isq_for_bits(1));
  EXPECT_FALSE(isq_for_bits(9));
  const std::pair<uint64_t, std::string_view> slider[] = {{0, "q4k"},  {29, "q4k"}, {30, "q5k"},
                                                          {69, "q5k"}, {70, "q6k"}, {100, "q6k"}};
  for (const auto& [percent, isq] : slider) EXPECT_EQ(*isq_for_slider(percent), isq);
  EXPECT_FALSE(isq_for_slider(101));
  EXPECT_EQ(*isq_for_profile("edge"), "q4k");
  EXPECT_EQ(*isq_for_profile("local"), "q5k");
  EXPECT_EQ(*isq_for_profile("cloud"), "q6k");
  EXPECT_FALSE(isq_for_profile("server"));
}

TEST(QuantizePlan, EmptyTensorsAreLeftOutAndSaid) {
  const TempDir dir;
  ModelBuilder builder;
  builder.tensor("a.weight", DType::F32, {2, 256}).tensor("none", DType::F32, {0, 4});
  write_file(dir / "m.safetensors", builder.file_bytes());
  const QuantizePlan plan = planned(dir / "m.safetensors", dir / "o.gguf");
  EXPECT_EQ(plan.tensors().size(), 1u);
  ASSERT_EQ(plan.warnings().size(), 1u);
  EXPECT_EQ(plan.warnings()[0], "1 empty tensor is left out: GGUF has no tensors without elements");
}

TEST(QuantizePlan, DocumentHasTheKeysOfTheContract) {
  const TempDir dir;
  mixed_model().write(dir / "model");
  const QuantizePlan plan = planned(dir / "model", dir / "out.gguf", {.measure = true});
  const auto report = quantize(plan, {});
  ASSERT_TRUE(report);
  std::string text;
  JsonWriter json(text);
  write_json(json, plan, *report);
  const auto document = JsonValue::parse(text);
  ASSERT_TRUE(document);
  for (const char* key :
       {"output", "input_bytes", "output_bytes", "compression_ratio", "bits_per_weight", "tensors",
        "types", "fallbacks", "cosine_similarity", "seconds", "threads"})
    EXPECT_NE(document->find(key), nullptr) << key;
  for (const char* key : {"name", "source", "from", "to", "shape", "bytes", "rmse", "relative_rmse",
                          "cosine_similarity", "max_abs_error"})
    EXPECT_NE(document->find("tensors")->elements().front().find(key), nullptr) << key;
  EXPECT_EQ(document->find("types")->find("Q4_K")->as_uint(), 6u);
  EXPECT_EQ(document->find("fallbacks")->elements().size(), 4u);
}

TEST(QuantizePlan, CsvHasALineATensor) {
  const TempDir dir;
  ModelBuilder builder;
  builder.tensor("a,\"b\".weight", DType::F32, {2, 288}).tensor("c", DType::F32, {4});
  write_file(dir / "m.safetensors", builder.file_bytes());
  const QuantizePlan plan = planned(dir / "m.safetensors", dir / "o.gguf", {.measure = true});
  const auto report = quantize(plan, {});
  ASSERT_TRUE(report);
  const std::string csv = to_csv(plan, *report);
  EXPECT_TRUE(csv.starts_with("name,source,from,to,"));
  EXPECT_NE(
      csv.find("\n\"a,\"\"b\"\".weight\",\"a,\"\"b\"\".weight\",F32,Q5_0,Q4_K,2x288,576,396,5.5,"),
      std::string::npos)
      << csv;
  EXPECT_NE(csv.find("\nc,c,F32,F32,,4,4,16,32,0,0,1,inf,0\n"), std::string::npos) << csv;
}

}  // namespace
}  // namespace stkit::test
