// Models with a config.json, as files that llama.cpp runs.
#include <filesystem>
#include <functional>

#include "kernels/block_reference.h"
#include "quantize_support.h"
#include "unit/gguf_export/export_model.h"

namespace stkit::test {
namespace {

constexpr std::string_view kMixtralConfig = R"({
  "architectures": ["MixtralForCausalLM"], "hidden_size": 256, "intermediate_size": 256,
  "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 6,
  "num_local_experts": 2, "num_experts_per_tok": 2, "max_position_embeddings": 64,
  "rms_norm_eps": 1e-5})";

// Rows in pairs, stacks of experts and a router.
ModelBuilder mixtral() {
  constexpr size_t kElements = 256 * 256;
  static const std::string kWeights = bf16_bytes(weights(1, 2 * kElements));
  ModelBuilder builder;
  size_t first = 0;  // other weights for each tensor
  const auto add = [&](const std::string& name, uint64_t rows, uint64_t columns) {
    first = (first + 1009) % kElements;
    builder.tensor(name, DType::BF16, {rows, columns},
                   kWeights.substr(2 * first, 2 * rows * columns));
  };
  add("model.embed_tokens.weight", 6, 256);
  builder.tensor("model.norm.weight", DType::BF16, {256});
  add("lm_head.weight", 6, 256);
  for (int layer = 0; layer < 2; ++layer) {
    const std::string prefix = "model.layers." + std::to_string(layer) + ".";
    add(prefix + "self_attn.q_proj.weight", 256, 256);
    add(prefix + "self_attn.k_proj.weight", 128, 256);
    add(prefix + "self_attn.v_proj.weight", 128, 256);
    add(prefix + "self_attn.o_proj.weight", 256, 256);
    add(prefix + "block_sparse_moe.gate.weight", 2, 256);
    for (int expert = 0; expert < 2; ++expert) {
      const std::string stem = prefix + "block_sparse_moe.experts." + std::to_string(expert);
      add(stem + ".w1.weight", 256, 256);
      add(stem + ".w2.weight", 256, 256);
      add(stem + ".w3.weight", 256, 256);
    }
    builder.tensor(prefix + "input_layernorm.weight", DType::BF16, {256});
    builder.tensor(prefix + "post_attention_layernorm.weight", DType::BF16, {256});
  }
  return builder.config(std::string(kMixtralConfig));
}

std::filesystem::path write_model(const std::filesystem::path& folder, ModelBuilder builder) {
  builder.write(folder);
  write_file(folder / "tokenizer.json", gguf_export::kByteLevelTokenizer);
  return folder;
}

TEST(QuantizeExport, NamesKeysAndTokenizerAreThoseOfLlamaCpp) {
  const TempDir dir;
  const auto model = write_model(dir / "model", mixtral());
  const QuantizePlan plan = planned(model, dir / "out.gguf", {.mix = "q4_k_m"});
  ASSERT_TRUE(quantize(plan, {}));
  EXPECT_EQ(std::filesystem::file_size(dir / "out.gguf"), plan.output_bytes());
  const GgufFile file(dir / "out.gguf");
  EXPECT_EQ(as_string(file.header.find("general.architecture")), "llama");
  EXPECT_EQ(as_uint(file.header.find("general.file_type")), 15u);
  EXPECT_EQ(as_uint(file.header.find("general.quantization_version")), 2u);
  EXPECT_EQ(as_uint(file.header.find("llama.expert_count")), 2u);
  EXPECT_EQ(as_string(file.header.find("tokenizer.ggml.model")), "gpt2");
  const auto& experts = tensor_of(plan, "blk.1.ffn_down_exps.weight");
  EXPECT_EQ(experts.shape, (std::vector<uint64_t>{2, 256, 256}));
  EXPECT_EQ(experts.source, "model.layers.1.block_sparse_moe.experts.0.w2.weight");
  EXPECT_EQ(experts.source_count, 2u);
  EXPECT_EQ(experts.to, DType::Q6_K);
  EXPECT_EQ(experts.rule, "ffn_down of layers that get more bits");
  EXPECT_EQ(file.tensor("blk.0.ffn_gate_inp.weight").dtype, DType::F32) << "routers are not blocks";
  EXPECT_EQ(file.tensor("blk.0.attn_norm.weight").dtype, DType::F32);
  EXPECT_TRUE(plan.warnings().empty()) << plan.warnings()[0];
}

TEST(QuantizeExport, OneTypeForAllWeights) {
  const TempDir dir;
  const auto model = write_model(dir / "model", mixtral());
  const QuantizePlan plan = planned(model, dir / "out.gguf", {.isq = "q5k"});
  for (const QuantizePlan::Tensor& tensor : plan.tensors()) {
    const bool kept = tensor.name.find("norm") != tensor.name.npos ||
                      tensor.name.find("ffn_gate_inp") != tensor.name.npos;
    EXPECT_EQ(tensor.to, kept ? DType::F32 : DType::Q5_K) << tensor.name;
  }
}

TEST(QuantizeExport, ElementsAreThoseOfThePlan) {
  const TempDir dir;
  const auto folder = write_model(dir / "model", mixtral());
  const auto model = Model::open(folder.string());
  ASSERT_TRUE(model);
  const auto exported = gguf_export::plan_export(*model);
  ASSERT_TRUE(exported);
  quantized(folder, dir / "f32.gguf", {.mix = "f32"});
  quantized(folder, dir / "q.gguf", {.mix = "q4_k_m"});
  const GgufFile f32(dir / "f32.gguf"), blocks(dir / "q.gguf");
  for (const gguf_export::ExportTensor& tensor : exported->tensors) {
    const std::vector<float> values = gguf_export::elements(*model, tensor.source);
    EXPECT_TRUE(f32.data(tensor.name) == f32_bytes(values)) << tensor.name;
    const DType type = blocks.tensor(tensor.name).dtype;
    if (info(type).kind != DTypeKind::GgmlBlock) continue;
    std::string expected(blocks.tensor(tensor.name).size_bytes, '\0');
    kernels::reference::encode_row(type, values, {}, std::as_writable_bytes(std::span(expected)));
    EXPECT_TRUE(blocks.data(tensor.name) == expected) << tensor.name;
  }
}

// T36, T63
TEST(QuantizeExport, SameBytesForAnyThreadsMemoryAndSharding) {
  const TempDir dir;
  std::string first;
  for (const size_t shards : {1u, 3u, 7u}) {
    const auto folder =
        write_model(dir / std::to_string(shards) / "model", mixtral().shards(shards));
    for (const unsigned threads : {1u, 2u, 16u})
      for (const uint64_t memory : {0u, 1u, 20u << 20}) {
        quantized(folder, dir / "out.gguf", {.mix = "q3_k_m", .measure = true, .overwrite = true},
                  {.threads = threads, .max_memory_bytes = memory});
        const std::string bytes = read_file(dir / "out.gguf");
        if (first.empty()) first = bytes;
        EXPECT_TRUE(bytes == first) << shards << " " << threads << " " << memory;
      }
  }
}

TEST(QuantizeExport, OptionsGoByTheNamesOfTheOutput) {
  const TempDir dir;
  const auto model = write_model(dir / "model", mixtral());
  const QuantizePlan plan = planned(model, dir / "out.gguf",
                                    {.mix = "q4_k_m",
                                     .tensor_types = {{"*", "q8_0"}},
                                     .output_type = "q6k",
                                     .embedding_type = "bf16",
                                     .keep = {"blk.1.*"}});
  EXPECT_EQ(tensor_of(plan, "blk.0.attn_q.weight").to, DType::Q8_0);
  EXPECT_EQ(tensor_of(plan, "blk.0.attn_q.weight").rule, "--tensor-type '*=q8_0'");
  EXPECT_EQ(tensor_of(plan, "blk.0.attn_norm.weight").to, DType::F32)
      << "no loader takes a norm of blocks";
  EXPECT_EQ(tensor_of(plan, "blk.1.attn_q.weight").to, DType::BF16);
  ASSERT_EQ(plan.warnings().size(), 2u);
  EXPECT_EQ(plan.warnings()[0], "--output-type q6k is for no tensor of the output");

  const QuantizePlan named = planned(
      model, dir / "out.gguf", {.mix = "q4_k_m", .output_type = "q6k", .embedding_type = "bf16"});
  EXPECT_EQ(tensor_of(named, "output.weight").rule, "--output-type");
  EXPECT_EQ(tensor_of(named, "token_embd.weight").to, DType::BF16);
  const QuantizePlan pure = planned(model, dir / "out.gguf", {.mix = "q4_k_m", .pure = true});
  EXPECT_EQ(tensor_of(pure, "output.weight").to, DType::Q4_K);
}

TEST(QuantizeExport, WhatIsNotKnownIsRefusedBeforeAnythingIsWritten) {
  struct Case {
    const char* name;
    std::function<void(std::string&)> edit;  // of config.json
    QuantizeOptions options;
    ErrorCode code;
    const char* message;
    const char* hint;
  };
  const auto nothing = [](std::string&) {};
  const Case cases[] = {
      {"architecture",
       [](std::string& config) { config.replace(config.find("Mixtral"), 7, "Unheard"); },
       {},
       ErrorCode::Unsupported,
       "'UnheardForCausalLM' is not known",
       "--arch none"},
      {"no architecture",
       [](std::string& config) { config = "{}"; },
       {},
       ErrorCode::Unsupported,
       "names no architecture",
       "--arch none"},
      {"name of an architecture",
       nothing,
       {.arch = "lama"},
       ErrorCode::Usage,
       "no architecture is called 'lama'",
       "llama"},
      {"mix", nothing, {.mix = "q4_k_x"}, ErrorCode::Usage, "no mix 'q4_k_x'", "Q4_K"},
      {"mix of own names",
       nothing,
       {.mix = "q4_k_m", .arch = "none"},
       ErrorCode::Usage,
       "goes by llama.cpp's names",
       "--isq"},
      {"pre of own names",
       nothing,
       {.arch = "none", .pre_tokenizer = "qwen2"},
       ErrorCode::Usage,
       "--pre",
       ""},
      {"quantized already",
       [](std::string& config) {
         config.insert(1, R"("quantization_config": {"quant_method": "gptq"},)");
       },
       {},
       ErrorCode::Unsupported,
       "GPTQ",
       "original"},
      {"type of a key",
       nothing,
       {.metadata = {{"llama.block_count", "u64:2"}}},
       ErrorCode::Usage,
       "the key is of type u32, not u64",
       ""},
      {"no type", nothing, {.metadata = {{"a.b", "2"}}}, ErrorCode::Usage, "no TYPE:VALUE", "u8"},
      {"no value",
       nothing,
       {.metadata = {{"a.b", "u8:256"}}},
       ErrorCode::Usage,
       "'256' is no value of type u8",
       ""},
      {"alignment",
       nothing,
       {.metadata = {{"general.alignment", "u32:64"}}},
       ErrorCode::Usage,
       "alignment",
       ""},
  };
  for (const Case& c : cases) {
    const TempDir dir;
    std::string config(kMixtralConfig);
    c.edit(config);
    const auto model = write_model(dir / "model", mixtral().config(config));
    const Error error = quantize_error(model, dir / "out.gguf", c.options);
    EXPECT_EQ(error.code, c.code) << c.name << ": " << error.message;
    EXPECT_NE(error.message.find(c.message), std::string::npos) << c.name << ": " << error.message;
    EXPECT_NE(error.hint.find(c.hint), std::string::npos) << c.name << ": " << error.hint;
    EXPECT_FALSE(std::filesystem::exists(dir / "out.gguf")) << c.name;
  }
}

TEST(QuantizeExport, MetadataOfTheUser) {
  const TempDir dir;
  const auto model = write_model(dir / "model", mixtral());
  quantized(model, dir / "out.gguf",
            {.pre_tokenizer = "qwen2",
             .metadata = {{"llama.context_length", "u32:99"},
                          {"general.name", "string:a:b=c"},
                          {"my.flag", "bool:true"},
                          {"my.ratio", "f32:0.5"}}});
  const GgufFile file(dir / "out.gguf");
  EXPECT_EQ(as_string(file.header.find("tokenizer.ggml.pre")), "qwen2");
  EXPECT_EQ(as_uint(file.header.find("llama.context_length")), 99u);
  EXPECT_EQ(as_string(file.header.find("general.name")), "a:b=c");
  EXPECT_EQ(as_bool(file.header.find("my.flag")), true);
  EXPECT_EQ(as_number(file.header.find("my.ratio")), 0.5);
}

TEST(QuantizeExport, TensorsThatAreLeftOutAreSaid) {
  const TempDir dir;
  const auto model = write_model(
      dir / "model",
      mixtral().tensor("model.layers.0.self_attn.rotary_emb.inv_freq", DType::F32, {8}));
  const QuantizePlan plan = planned(model, dir / "out.gguf");
  ASSERT_EQ(plan.warnings().size(), 1u);
  EXPECT_EQ(plan.warnings()[0],
            "1 tensor is no part of a language model and left out, the first is "
            "'model.layers.0.self_attn.rotary_emb.inv_freq'");
}

// T34: named as in the output, at its place there.
TEST(QuantizeExport, NonFiniteWeightsAreFound) {
  const TempDir dir;
  ModelBuilder builder = mixtral();
  std::string norm(512, '\0');
  norm[6] = '\x80', norm[7] = '\x7f';
  builder.tensor("model.layers.0.self_attn.q_proj.bias", DType::BF16, {256}, norm);
  const auto model = write_model(dir / "model", builder);
  // Row 3 of the first half of a head is in front of that of the second.
  EXPECT_EQ(quantize_error(model, dir / "out.gguf").message,
            "tensor 'blk.0.attn_q.bias' holds Inf at element 6 of 256");
  const QuantizeReport report =
      quantized(model, dir / "out.gguf", {.on_non_finite = NonFinite::Zero});
  ASSERT_EQ(report.non_finite.size(), 1u);
  EXPECT_EQ(report.non_finite[0].values, 1u);
}

// What was exported is quantized to the very bytes that the model itself is.
TEST(QuantizeExport, AGgufFileIsAsGoodAsItsModel) {
  const TempDir dir;
  const auto model = write_model(dir / "model", mixtral());
  quantized(model, dir / "f32.gguf", {.mix = "f32"});
  quantized(model, dir / "direct.gguf", {.mix = "q3_k_l"});
  quantized(dir / "f32.gguf", dir / "again.gguf", {.mix = "q3_k_l"});
  EXPECT_TRUE(read_file(dir / "again.gguf") == read_file(dir / "direct.gguf"));
  EXPECT_EQ(quantize_error(dir / "f32.gguf", dir / "o.gguf", {.arch = "llama"}).code,
            ErrorCode::Usage);
}

}  // namespace
}  // namespace stkit::test
