// The way back: what an architecture's rows make of a model is undone, element for element.
#include "gguf_export/restore.h"

#include <gtest/gtest.h>

#include <bit>
#include <cstring>

#include "export_model.h"
#include "formats/gguf_writer.h"
#include "gguf_export/arch/registry.h"
#include "kernels/convert.h"

namespace stkit::gguf_export {
namespace {

using Bytes = std::vector<std::byte>;

struct Content {
  TensorSpec spec;
  std::string bytes;
};

std::string gguf_bytes(std::span<const GgufEntry> metadata, const std::vector<Content>& contents) {
  std::vector<TensorSpec> specs;
  for (const Content& content : contents) specs.push_back(content.spec);
  const auto layout = plan_gguf(metadata, specs);
  EXPECT_TRUE(layout) << layout.error().message;
  std::string file = layout->header;
  file.resize(layout->file_bytes);
  for (const GgufLayout::Entry& entry : layout->entries)
    file.replace(entry.offset_bytes, entry.size_bytes, contents[entry.spec].bytes);
  return file;
}

template <class T>
std::string bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

// The upper halves: what the test's models are made of loses nothing by it.
std::string bf16_of(const std::vector<float>& values) {
  std::vector<uint16_t> halves;
  for (const float value : values)
    halves.push_back(static_cast<uint16_t>(std::bit_cast<uint32_t>(value) >> 16));
  return bytes_of(halves);
}

std::vector<float> values_of(const Model& model, const TensorInfo& tensor) {
  Bytes bytes(tensor.size_bytes);
  EXPECT_TRUE(model.read(tensor, 0, tensor.element_count, bytes));
  std::vector<float> values(tensor.element_count);
  kernels::to_float(tensor.dtype, bytes, values);
  return values;
}

struct Case {
  const char* name;
  std::string config;
  std::vector<std::pair<std::string, std::vector<uint64_t>>> tensors;
};

std::string config_of(std::string_view architecture, std::string_view more = "") {
  return R"({"architectures":[")" + std::string(architecture) +
         R"("],"hidden_size":8,"intermediate_size":12,"num_hidden_layers":1,
           "num_attention_heads":2,"num_key_value_heads":1,"max_position_embeddings":64,
           "vocab_size":6)" +
         std::string(more) + "}";
}

const std::vector<Case>& cases() {
  static const std::vector<Case> kCases = {
      {"llama",
       config_of("LlamaForCausalLM"),
       {{"model.embed_tokens.weight", {6, 8}},
        {"model.norm.weight", {8}},
        {"lm_head.weight", {6, 8}},
        {"model.layers.0.self_attn.q_proj.weight", {8, 8}},
        {"model.layers.0.self_attn.q_proj.bias", {8}},
        {"model.layers.0.self_attn.k_proj.weight", {4, 8}},
        {"model.layers.0.self_attn.k_proj.bias", {4}},
        {"model.layers.0.self_attn.v_proj.weight", {4, 8}},
        {"model.layers.0.mlp.gate_proj.weight", {12, 8}},
        {"model.layers.0.post_attention_layernorm.weight", {8}}}},
      {"mixtral",
       config_of("MixtralForCausalLM", R"(,"num_local_experts":2)"),
       {{"model.embed_tokens.weight", {6, 8}},
        {"model.layers.0.block_sparse_moe.gate.weight", {2, 8}},
        {"model.layers.0.block_sparse_moe.experts.0.w1.weight", {12, 8}},
        {"model.layers.0.block_sparse_moe.experts.1.w1.weight", {12, 8}}}},
      {"qwen3moe",
       config_of("Qwen3MoeForCausalLM",
                 R"(,"head_dim":4,"num_experts":2,"moe_intermediate_size":4)"),
       {{"model.embed_tokens.weight", {6, 8}},
        {"model.layers.0.self_attn.q_proj.weight", {8, 8}},
        {"model.layers.0.self_attn.q_norm.weight", {4}},
        {"model.layers.0.mlp.experts.0.down_proj.weight", {8, 4}},
        {"model.layers.0.mlp.experts.1.down_proj.weight", {8, 4}}}},
      {"gemma2",
       config_of("Gemma2ForCausalLM", R"(,"head_dim":4)"),
       {{"model.embed_tokens.weight", {6, 8}},
        {"model.norm.weight", {8}},
        {"model.layers.0.pre_feedforward_layernorm.weight", {8}},
        {"model.layers.0.mlp.up_proj.weight", {12, 8}}}},
      {"phi3",
       config_of("Phi3ForCausalLM"),
       {{"model.embed_tokens.weight", {6, 8}},
        {"model.layers.0.self_attn.qkv_proj.weight", {16, 8}},
        {"model.layers.0.mlp.gate_up_proj.weight", {24, 8}}}},
      {"gpt2",
       R"({"architectures":["GPT2LMHeadModel"],"n_embd":8,"n_layer":1,"n_head":2,"n_ctx":32,
           "n_positions":32,"vocab_size":6})",
       {{"transformer.wte.weight", {6, 8}},
        {"transformer.wpe.weight", {32, 8}},
        {"transformer.h.0.attn.c_attn.weight", {8, 24}},
        {"transformer.h.0.attn.c_attn.bias", {24}}}},
      {"gptneox",
       config_of("GPTNeoXForCausalLM"),
       {{"gpt_neox.embed_in.weight", {6, 8}},
        {"embed_out.weight", {6, 8}},
        {"gpt_neox.layers.0.attention.query_key_value.weight", {24, 8}},
        {"gpt_neox.layers.0.attention.query_key_value.bias", {24}}}},
      {"stablelm",
       config_of("StableLmForCausalLM"),
       {{"model.embed_tokens.weight", {6, 8}},
        {"lm_head.weight", {6, 8}},
        {"model.layers.0.self_attn.q_layernorm.norms.0.weight", {4}},
        {"model.layers.0.self_attn.q_layernorm.norms.1.weight", {4}}}},
      {"deepseek",
       config_of("DeepseekV3ForCausalLM",
                 R"(,"q_lora_rank":4,"kv_lora_rank":6,"qk_rope_head_dim":2,"qk_nope_head_dim":3,
                    "v_head_dim":5,"n_routed_experts":2,"num_experts_per_tok":1,
                    "moe_intermediate_size":4,"n_shared_experts":1)"),
       {{"model.embed_tokens.weight", {6, 8}},
        {"model.layers.0.mlp.gate.e_score_correction_bias", {2}},
        {"model.layers.0.self_attn.kv_b_proj.weight", {8, 6}}}},
      {"bert",
       R"({"architectures":["BertModel"],"hidden_size":8,"intermediate_size":12,
           "num_hidden_layers":1,"num_attention_heads":2,"vocab_size":6})",
       {{"embeddings.word_embeddings.weight", {6, 8}},
        {"embeddings.LayerNorm.bias", {8}},
        {"encoder.layer.0.attention.self.query.weight", {8, 8}}}},
  };
  return kCases;
}

class RoundTrip : public testing::Test {
 protected:
  // What is exported, in one dtype, and restored again.
  Result<RestoredModel> restored(const Model& model, DType dtype) {
    const auto plan = plan_export(model);
    if (!plan) return std::unexpected(plan.error());
    std::vector<Content> contents;
    for (const ExportTensor& tensor : plan->tensors) {
      const std::vector<float> values =
          tensor.source.boxes.empty() ? tensor.source.constants : elements(model, tensor.source);
      contents.push_back({{tensor.name, dtype, tensor.shape},
                          dtype == DType::F32 ? bytes_of(values) : bf16_of(values)});
    }
    test::write_file(dir_ / "model.gguf", gguf_bytes(plan->metadata.entries(), contents));
    STKIT_ASSIGN(Model gguf, Model::open((dir_ / "model.gguf").string()));
    return restore_model(std::move(gguf));
  }

  test::TempDir dir_;
};

TEST_F(RoundTrip, EveryArrangementIsUndone) {
  for (const Case& c : cases()) {
    test::ModelBuilder builder;
    for (const auto& [name, shape] : c.tensors) builder.tensor(name, DType::BF16, shape);
    ExportModel source(builder, c.config);
    if (c.name == std::string("bert"))
      source.file("tokenizer.json",
                  R"({"added_tokens":[],"pre_tokenizer":{"type":"BertPreTokenizer"},
          "model":{"type":"WordPiece","vocab":{"[UNK]":0,"a":1,"##b":2}}})");
    const Model& model = source.model();
    for (const DType dtype : {DType::F32, DType::BF16}) {
      const bool shifted = c.name == std::string("gemma2");
      if (shifted && dtype == DType::BF16) continue;  // a sum is no bf16
      const auto back = restored(model, dtype);
      ASSERT_TRUE(back) << c.name << ": " << back.error().message;
      EXPECT_EQ(back->problem, "") << c.name;
      for (const TensorInfo& tensor : model.tensors()) {
        const TensorInfo* found = back->model.find(tensor.name);
        ASSERT_NE(found, nullptr) << c.name << ": " << tensor.name;
        EXPECT_EQ(std::vector(found->shape.begin(), found->shape.end()),
                  std::vector(tensor.shape.begin(), tensor.shape.end()))
            << tensor.name;
        EXPECT_EQ(found->dtype, dtype) << tensor.name;
        std::vector<float> wanted = values_of(model, tensor);
        if (shifted && tensor.name.ends_with("norm.weight"))
          for (float& value : wanted) value = (value + 1) - 1;
        EXPECT_EQ(values_of(back->model, *found), wanted) << c.name << ": " << tensor.name;
      }
      for (const TensorInfo& tensor : back->model.tensors())
        EXPECT_TRUE(model.find(tensor.name) != nullptr || tensor.name == "lm_head.weight")
            << c.name << ": " << tensor.name;
    }
  }
}

TEST_F(RoundTrip, PlainTensorsStayRunsOfTheFile) {
  ExportModel source(llama_builder(), kLlamaConfig);
  const auto back = restored(source.model(), DType::BF16);
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_TRUE(back->model.find("model.norm.weight")->contiguous);
  EXPECT_TRUE(back->model.find("lm_head.weight")->contiguous);
  EXPECT_FALSE(back->model.find("model.layers.0.self_attn.q_proj.weight")->contiguous);
  EXPECT_TRUE(std::ranges::none_of(back->decoded, std::identity()));
  EXPECT_TRUE(back->model.metadata().empty());
  EXPECT_TRUE(back->model.check_unchanged());
}

class Blocks : public testing::Test {
 protected:
  Result<RestoredModel> restore(std::span<const GgufEntry> metadata,
                                const std::vector<Content>& contents) {
    test::write_file(dir_ / "m.gguf", gguf_bytes(metadata, contents));
    STKIT_ASSIGN(Model gguf, Model::open((dir_ / "m.gguf").string()));
    return restore_model(std::move(gguf));
  }

  test::TempDir dir_;
};

// Rows of one Q8_0 block each: the scale is 1, so a value is its code.
std::string q8_rows(size_t rows) {
  std::string bytes;
  for (size_t row = 0; row < rows; ++row) {
    bytes += std::string("\x00\x3C", 2);
    for (size_t i = 0; i < 32; ++i) bytes += static_cast<char>(row * 5 + i % 7);
  }
  return bytes;
}

const std::vector<GgufEntry> kLlama = {{"general.architecture", std::string_view("llama")},
                                       {"llama.attention.head_count", uint32_t{2}}};

TEST_F(Blocks, AreDecodedAndRearrangedAtAnyPlace) {
  const auto back = restore(kLlama, {{{"blk.0.attn_q.weight", DType::Q8_0, {8, 32}}, q8_rows(8)},
                                     {{"blk.0.attn_norm.weight", DType::F32, {2}}, "12345678"}});
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(back->problem, "");
  EXPECT_EQ(back->decoded, (std::vector<bool>{true, false}));
  const TensorInfo& q = *back->model.find("model.layers.0.self_attn.q_proj.weight");
  EXPECT_EQ(q.dtype, DType::F32);
  const size_t stored_row[] = {0, 2, 1, 3, 4, 6, 5, 7};  // of the published row, both ways
  for (uint64_t first = 0; first < 256; first += 5)
    for (uint64_t count = 1; count <= std::min<uint64_t>(70, 256 - first); count += 23) {
      std::vector<float> values(count);
      ASSERT_TRUE(back->model.read(q, first, count, std::as_writable_bytes(std::span(values))));
      for (uint64_t i = 0; i < count; ++i) {
        const uint64_t row = (first + i) / 32, column = (first + i) % 32;
        EXPECT_EQ(values[i], static_cast<float>(stored_row[row] * 5 + column % 7));
      }
    }
}

TEST_F(Blocks, KeepTheirNamesWhenOneHasNoWayBack) {
  const std::vector<GgufEntry> unknown = {{"general.architecture", std::string_view("mamba")}};
  const std::vector<GgufEntry> gpt_oss = {{"general.architecture", std::string_view("gpt-oss")}};
  const std::vector<GgufEntry> falcon = {{"general.architecture", std::string_view("falcon")}};
  const std::vector<GgufEntry> no_heads = {{"general.architecture", std::string_view("llama")}};
  const struct {
    const char* name;
    std::vector<GgufEntry> metadata;
    std::string tensor;
    std::string_view part;
  } kCases[] = {
      {"architecture", unknown, "blk.0.attn_q.weight", "'mamba' is not known"},
      {"tensor", kLlama, "blk.0.something.weight", "'blk.0.something.weight' is none"},
      {"fused", gpt_oss, "blk.0.ffn_gate_exps.weight", "'blk.0.ffn_gate_exps.weight' is none"},
      {"two names", falcon, "blk.0.attn_norm.weight", "'blk.0.attn_norm.weight' is none"},
      {"no heads", no_heads, "blk.0.attn_q.weight", "rows of 0 heads"},
  };
  for (const auto& c : kCases) {
    const auto back = restore(c.metadata, {{{c.tensor, DType::Q8_0, {3, 32}}, q8_rows(3)},
                                           {{"token_embd.weight", DType::F32, {2}}, "12345678"}});
    ASSERT_TRUE(back) << c.name << ": " << back.error().message;
    EXPECT_NE(back->problem.find(c.part), std::string::npos) << back->problem;
    const TensorInfo* tensor = back->model.find(c.tensor);
    ASSERT_NE(tensor, nullptr) << c.name;
    EXPECT_EQ(values_of(back->model, *tensor)[33], 6) << c.name;
    EXPECT_NE(back->model.find("token_embd.weight"), nullptr) << c.name;
  }
}

TEST_F(Blocks, HalvesMustBothBeThere) {
  const std::vector<GgufEntry> metadata = {{"general.architecture", std::string_view("deepseek2")},
                                           {"deepseek2.attention.key_length_mla", uint32_t{34}},
                                           {"deepseek2.rope.dimension_count", uint32_t{2}},
                                           {"deepseek2.attention.value_length_mla", uint32_t{1}}};
  const Content key{{"blk.0.attn_k_b.weight", DType::Q8_0, {2, 2, 32}}, q8_rows(4)};
  const auto alone = restore(metadata, {key});
  ASSERT_TRUE(alone) << alone.error().message;
  EXPECT_NE(alone->problem.find("128 of the 132 elements"), std::string::npos) << alone->problem;
  const auto both = restore(
      metadata, {key, {{"blk.0.attn_v_b.weight", DType::F32, {2, 1, 2}}, std::string(16, '\0')}});
  ASSERT_TRUE(both) << both.error().message;
  EXPECT_EQ(both->problem, "");
  const TensorInfo& whole = *both->model.find("model.layers.0.self_attn.kv_b_proj.weight");
  const std::vector<float> values = values_of(both->model, whole);
  for (size_t head = 0; head < 2; ++head)
    for (size_t row = 0; row < 33; ++row)
      for (size_t rank = 0; rank < 2; ++rank)
        EXPECT_EQ(values[(head * 33 + row) * 2 + rank],
                  row == 32 ? 0 : static_cast<float>((head * 2 + rank) * 5 + row % 7));
}

TEST_F(Blocks, ThatCannotBeDecodedAreRefused) {
  const auto back =
      restore(kLlama, {{{"output.weight", DType::IQ2_XS, {256}}, std::string(74, '\0')}});
  ASSERT_FALSE(back);
  EXPECT_EQ(back.error().code, ErrorCode::Unsupported);
  EXPECT_NE(back.error().message.find("IQ2_XS"), std::string::npos);
}

}  // namespace
}  // namespace stkit::gguf_export
