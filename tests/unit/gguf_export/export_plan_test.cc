#include "gguf_export/export_plan.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "export_model.h"
#include "formats/gguf_writer.h"
#include "gguf_export/arch/registry.h"

namespace stkit::gguf_export {
namespace {

TEST(ExportPlan, ALlamaIsNamedAndOrderedAsLlamaCppHasIt) {
  const auto plan = ExportModel(llama_builder(), kLlamaConfig).plan();
  ASSERT_TRUE(plan) << plan.error().message;
  std::vector<std::string> names;
  for (const ExportTensor& tensor : plan->tensors) names.push_back(tensor.name);
  EXPECT_EQ(names,
            (std::vector<std::string>{
                "output.weight",         "output_norm.weight",     "token_embd.weight",
                "blk.0.attn_k.weight",   "blk.0.attn_norm.weight", "blk.0.attn_output.weight",
                "blk.0.attn_q.weight",   "blk.0.attn_v.weight",    "blk.0.ffn_down.weight",
                "blk.0.ffn_gate.weight", "blk.0.ffn_norm.weight",  "blk.0.ffn_up.weight",
                "blk.1.attn_k.weight",   "blk.1.attn_norm.weight", "blk.1.attn_output.weight",
                "blk.1.attn_q.weight",   "blk.1.attn_v.weight",    "blk.1.ffn_down.weight",
                "blk.1.ffn_gate.weight", "blk.1.ffn_norm.weight",  "blk.1.ffn_up.weight"}));
  EXPECT_EQ(text_key(*plan, "general.architecture"), "llama");
  EXPECT_EQ(uint_key(*plan, "llama.block_count"), 2);
  EXPECT_EQ(uint_key(*plan, "llama.attention.head_count_kv"), 1);
  EXPECT_EQ(uint_key(*plan, "llama.rope.dimension_count"), 4);
  EXPECT_EQ(uint_key(*plan, "llama.attention.key_length"), 4);
  EXPECT_EQ(as_number(find(plan->metadata.entries(), "llama.rope.freq_base")), 10000);
  EXPECT_EQ(as_number(find(plan->metadata.entries(), "llama.attention.layer_norm_rms_epsilon")),
            1e-5f);
  EXPECT_EQ(plan->model.architecture, "llama");
  EXPECT_EQ(plan->model.heads, 2u);
  EXPECT_TRUE(plan->notes.empty());
}

TEST(ExportPlan, IsAFileThatTheWriterTakes) {
  const auto plan = ExportModel(llama_builder(), kLlamaConfig).plan();
  ASSERT_TRUE(plan) << plan.error().message;
  std::vector<TensorSpec> specs;
  for (const ExportTensor& tensor : plan->tensors)
    specs.push_back({tensor.name, DType::F32, tensor.shape});
  const auto layout = plan_gguf(plan->metadata.entries(), specs);
  EXPECT_TRUE(layout) << layout.error().message;
}

// Rows of each head: the first half and the second, in turns.
TEST(ExportPlan, QueriesAndKeysOfALlamaAreInPairs) {
  ExportModel source(llama_builder(), kLlamaConfig);
  const ExportPlan plan = *source.plan();
  const Model& model = source.model();
  const auto index = static_cast<uint32_t>(model.find("model.layers.1.self_attn.q_proj.weight") -
                                           model.tensors().data());
  const std::vector<float> input = elements(model, {.boxes = {run_of(index, 0, 64)}});
  const std::vector<float> output =
      elements(model, find_tensor(plan, "blk.1.attn_q.weight")->source);
  const size_t row_of[] = {0, 2, 1, 3, 4, 6, 5, 7};
  for (size_t row = 0; row < 8; ++row)
    for (size_t column = 0; column < 8; ++column)
      EXPECT_EQ(output[row * 8 + column], input[row_of[row] * 8 + column]) << row;
}

TEST(ExportPlan, NamesWithoutThePrefixAndInsideOfAWrapper) {
  for (const char* prefix : {"", "model.language_model.", "language_model.model."}) {
    test::ModelBuilder builder;
    const auto name = [&](const char* rest) { return prefix + std::string(rest); };
    builder.tensor(name("embed_tokens.weight"), DType::F32, {6, 8})
        .tensor(name("layers.0.mlp.up_proj.weight"), DType::F32, {12, 8})
        .tensor("vision_tower.patch_embed.weight", DType::F32, {3, 3});
    const std::string config = R"({"architectures":["Whatever"],"text_config":{
        "architectures":["Qwen2ForCausalLM"],"hidden_size":8,"intermediate_size":12,
        "num_hidden_layers":1,"num_attention_heads":2,"max_position_embeddings":64}})";
    const auto plan = ExportModel(builder, config).plan();
    ASSERT_TRUE(plan) << prefix << plan.error().message;
    EXPECT_EQ(plan->tensors.size(), 2u);
    EXPECT_NE(find_tensor(*plan, "blk.0.ffn_up.weight"), nullptr);
    EXPECT_EQ(text_key(*plan, "general.architecture"), "qwen2");
  }
}

TEST(ExportPlan, NormsOfGemmaAreShiftedAndItsOutputIsLeftOut) {
  ExportModel source(llama_builder(), R"({"architectures":["GemmaForCausalLM"],"hidden_size":8,
      "intermediate_size":12,"num_hidden_layers":2,"num_attention_heads":2,
      "num_key_value_heads":1,"head_dim":4})");
  const auto plan = source.plan();
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_EQ(find_tensor(*plan, "output.weight"), nullptr);
  EXPECT_EQ(find_tensor(*plan, "output_norm.weight")->source.shift, 1);
  EXPECT_EQ(find_tensor(*plan, "blk.0.ffn_norm.weight")->source.shift, 1);
  EXPECT_EQ(find_tensor(*plan, "blk.0.attn_q.weight")->source.shift, 0);
  EXPECT_EQ(uint_key(*plan, "gemma.context_length"), 8192) << "the class's default";
}

TEST(ExportPlan, AnOutputThatTheLoaderWantsIsTheEmbedding) {
  test::ModelBuilder builder;
  builder.tensor("model.embed_tokens.weight", DType::F32, {6, 8})
      .tensor("model.layers.0.self_attn.q_layernorm.norms.1.weight", DType::F32, {4})
      .tensor("model.layers.0.self_attn.q_layernorm.norms.0.weight", DType::F32, {4});
  ExportModel source(builder, R"({"architectures":["StableLmForCausalLM"],"hidden_size":8,
      "intermediate_size":12,"num_hidden_layers":1,"num_attention_heads":2,
      "max_position_embeddings":64,"tie_word_embeddings":true})");
  const auto plan = source.plan();
  ASSERT_TRUE(plan) << plan.error().message;
  const ExportTensor* output = find_tensor(*plan, "output.weight");
  ASSERT_NE(output, nullptr);
  EXPECT_EQ(elements(source.model(), output->source),
            elements(source.model(), find_tensor(*plan, "token_embd.weight")->source));
  // Norms of heads are stacked by their number, not by their place in the file.
  const ExportTensor* norms = find_tensor(*plan, "blk.0.attn_q_norm.weight");
  EXPECT_EQ(norms->shape, (std::vector<uint64_t>{2, 4}));
  EXPECT_EQ(source.model().tensors()[norms->source.boxes[0].tensor].name,
            "model.layers.0.self_attn.q_layernorm.norms.0.weight");
}

TEST(ExportPlan, RopeFactorsOfLlama3) {
  std::string config(kLlamaConfig);
  config.insert(config.rfind('}'), R"(, "rope_theta": 10000, "head_dim": 8, "rope_scaling":
      {"rope_type": "llama3", "factor": 8, "low_freq_factor": 1, "high_freq_factor": 4,
       "original_max_position_embeddings": 512})");
  ExportModel source(llama_builder(), config);
  const auto plan = source.plan();
  ASSERT_TRUE(plan) << plan.error().message;
  const ExportTensor* factors = find_tensor(*plan, "rope_freqs.weight");
  ASSERT_NE(factors, nullptr);
  // Wavelengths 2 pi 10^(0, 1, 2, 3) against 128 and 512: kept, kept, in between and stretched.
  // (512 / 628.3 - 1) / 3 < 0, so the third is stretched as well.
  EXPECT_EQ(factors->source.constants, (std::vector<float>{1, 1, 8, 8}));
}

TEST(ExportPlan, ExpertsAreStackedByNumber) {
  test::ModelBuilder builder;
  builder.tensor("model.embed_tokens.weight", DType::F32, {6, 8});
  for (int expert = 10; expert >= 0; --expert)
    builder.tensor("model.layers.0.mlp.experts." + std::to_string(expert) + ".up_proj.weight",
                   DType::F32, {4, 8});
  const std::string config = R"({"architectures":["Qwen3MoeForCausalLM"],"hidden_size":8,
      "intermediate_size":12,"num_hidden_layers":1,"num_attention_heads":2,"num_experts":11})";
  ExportModel source(builder, config);
  const auto plan = source.plan();
  ASSERT_TRUE(plan) << plan.error().message;
  const ExportTensor* stack = find_tensor(*plan, "blk.0.ffn_up_exps.weight");
  ASSERT_NE(stack, nullptr);
  EXPECT_EQ(stack->shape, (std::vector<uint64_t>{11, 4, 8}));
  for (size_t i = 0; i < 11; ++i)
    EXPECT_EQ(source.model().tensors()[stack->source.boxes[i].tensor].name,
              "model.layers.0.mlp.experts." + std::to_string(i) + ".up_proj.weight");
  EXPECT_EQ(uint_key(*plan, "qwen3moe.expert_used_count"), 8) << "the class's default";
}

TEST(ExportPlan, FusedExpertsAreSplit) {
  test::ModelBuilder builder;
  builder.tensor("model.embed_tokens.weight", DType::F32, {6, 8})
      .tensor("model.layers.0.mlp.experts.gate_up_proj", DType::F32, {3, 10, 8})
      .tensor("model.layers.0.mlp.experts.down_proj", DType::F32, {3, 8, 5});
  ExportModel source(builder, R"({"architectures":["Qwen3MoeForCausalLM"],"hidden_size":8,
      "intermediate_size":12,"num_hidden_layers":1,"num_attention_heads":2,"num_experts":3})");
  const auto plan = source.plan();
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_EQ(find_tensor(*plan, "blk.0.ffn_gate_exps.weight")->shape,
            (std::vector<uint64_t>{3, 5, 8}));
  EXPECT_EQ(find_tensor(*plan, "blk.0.ffn_up_exps.weight")->shape,
            (std::vector<uint64_t>{3, 5, 8}));
  EXPECT_EQ(find_tensor(*plan, "blk.0.ffn_down_exps.weight")->shape,
            (std::vector<uint64_t>{3, 8, 5}));
}

TEST(ExportPlan, TheArchitectureCanBeSaid) {
  std::string config(kLlamaConfig);
  config.replace(config.find("LlamaForCausalLM"), 16, "MyLlamaLikeModel");
  EXPECT_FALSE(ExportModel(llama_builder(), config).plan());
  const auto plan = ExportModel(llama_builder(), config).plan({.architecture = "llama"});
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_EQ(text_key(*plan, "general.architecture"), "llama");
}

struct Fault {
  const char* name;
  void (*edit)(test::ModelBuilder&, std::string& config, ExportOptions&);
  ErrorCode code;
  const char* message;
};

void replace(std::string& text, std::string_view from, std::string_view to) {
  text.replace(text.find(from), from.size(), to);
}

TEST(ExportPlan, WhatCannotBeExportedSaysWhy) {
  const Fault faults[] = {
      {"unknown architecture",
       [](auto&, std::string& config, auto&) { replace(config, "LlamaFor", "FooFor"); },
       ErrorCode::Unsupported, "the architecture 'FooForCausalLM' is not known"},
      {"no architecture",
       [](auto&, std::string& config, auto&) {
         replace(config, R"("architectures": ["LlamaForCausalLM"],)", "");
       },
       ErrorCode::Unsupported, "config.json names no architecture"},
      {"wrong name of an architecture",
       [](auto&, auto&, ExportOptions& o) { o.architecture = "x"; }, ErrorCode::Usage,
       "no architecture is called 'x'"},
      {"unknown tensor",
       [](test::ModelBuilder& b, auto&, auto&) {
         b.tensor("model.layers.0.self_attn.magic.weight", DType::F32, {2, 2});
       },
       ErrorCode::Unsupported, "tensor 'model.layers.0.self_attn.magic.weight' is none that"},
      {"a layer too many",
       [](test::ModelBuilder& b, auto&, auto&) {
         b.tensor("model.layers.7.mlp.up_proj.weight", DType::F32, {12, 8});
       },
       ErrorCode::Corrupt, "is of layer 7, but config.json says that there are 2"},
      {"a layer too few",
       [](auto&, std::string& config, auto&) {
         replace(config, R"("num_hidden_layers": 2)", R"("num_hidden_layers": 3)");
       },
       ErrorCode::Corrupt, "there is no tensor of layer 2"},
      {"layers beyond belief",
       [](auto&, std::string& config, auto&) {
         replace(config, R"("num_hidden_layers": 2)", R"("num_hidden_layers": 4294967295)");
       },
       ErrorCode::Corrupt, "there is no tensor of layer 2"},
      {"two tensors that become one",
       [](test::ModelBuilder& b, auto&, auto&) { b.tensor("norm.weight", DType::F32, {8}); },
       ErrorCode::Corrupt, "would both become 'output_norm.weight'"},
      {"heads that do not divide",
       [](auto&, std::string& config, auto&) {
         replace(config, R"("num_attention_heads": 2)", R"("num_attention_heads": 3)");
       },
       ErrorCode::Corrupt, "which is not rows of 3 heads with two halves each"},
      {"no heads",
       [](auto&, std::string& config, auto&) {
         replace(config, R"("num_attention_heads": 2,)", "");
       },
       ErrorCode::Corrupt, "rows of 0 heads"},
      {"a context of half a token",
       [](auto&, std::string& config, auto&) { replace(config, ": 64", ": 64.5"); },
       ErrorCode::Corrupt, "gives 64.5 for the key context_length"},
      {"a negative context",
       [](auto&, std::string& config, auto&) { replace(config, ": 64", ": -64"); },
       ErrorCode::Corrupt, "gives -64 for the key context_length"},
      {"integers",
       [](test::ModelBuilder& b, auto&, auto&) {
         b.tensor("model.layers.0.self_attn.q_proj.bias", DType::I32, {8});
       },
       ErrorCode::Unsupported, "is of type I32, which is no plain float"},
      {"8-bit floats without scales",
       [](test::ModelBuilder& b, auto&, auto&) {
         b.tensor("model.layers.0.self_attn.q_proj.bias", DType::F8_E4M3, {8});
       },
       ErrorCode::Corrupt, "but there are no scales for it"},
  };
  for (const Fault& fault : faults) {
    SCOPED_TRACE(fault.name);
    test::ModelBuilder builder = llama_builder();
    std::string config(kLlamaConfig);
    ExportOptions options;
    fault.edit(builder, config, options);
    const auto plan = ExportModel(builder, config).plan(options);
    ASSERT_FALSE(plan);
    EXPECT_EQ(plan.error().code, fault.code);
    EXPECT_NE(plan.error().message.find(fault.message), std::string::npos) << plan.error().message;
  }
}

TEST(ExportPlan, AnUnknownArchitectureListsTheKnownOnes) {
  std::string config(kLlamaConfig);
  replace(config, "LlamaFor", "FooFor");
  const auto plan = ExportModel(llama_builder(), config).plan();
  ASSERT_FALSE(plan);
  for (const Architecture& known : architectures())
    EXPECT_NE(plan.error().hint.find(known.name), std::string::npos) << known.name;
  EXPECT_NE(plan.error().hint.find("--arch none"), std::string::npos);
}

TEST(Architectures, EveryClassBelongsToOne) {
  std::vector<std::string_view> classes;
  for (const Architecture& architecture : architectures()) {
    EXPECT_FALSE(architecture.name.empty());
    EXPECT_FALSE(architecture.classes.empty());
    classes.insert(classes.end(), architecture.classes.begin(), architecture.classes.end());
  }
  std::ranges::sort(classes);
  EXPECT_EQ(std::ranges::adjacent_find(classes), classes.end());
}

TEST(GgufOrder, TopFirstThenLayersByNumber) {
  std::vector<std::string> names = {"blk.10.a", "token_embd.weight", "blk.2.b",
                                    "blk.2.a",  "output.weight",     "output_norm.weight"};
  std::ranges::sort(names, gguf_order);
  EXPECT_EQ(names,
            (std::vector<std::string>{"output.weight", "output_norm.weight", "token_embd.weight",
                                      "blk.2.a", "blk.2.b", "blk.10.a"}));
}

}  // namespace
}  // namespace stkit::gguf_export
