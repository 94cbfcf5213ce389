#include "quant/mix.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>

namespace stkit::quant {
namespace {

// A llama-like model: 2 tensors at the top, 7 matrices and a norm a layer.
struct ModelOfMix {
  struct Tensor {
    std::string name;
    std::vector<uint64_t> shape;
  };
  std::vector<Tensor> tensors;
  MixModel model;

  ModelOfMix(std::string_view architecture, uint64_t layers, uint64_t heads, uint64_t kv_heads,
             uint64_t experts = 0, uint64_t width = 512, bool tied = false)
      : model{architecture, layers, heads, kv_heads, experts} {
    add("token_embd.weight", {1000, width});
    add("output_norm.weight", {width});
    if (!tied) add("output.weight", {1000, width});
    for (uint64_t i = 0; i < layers; ++i) {
      for (const char* part : {"attn_q", "attn_k", "attn_v", "attn_output"})
        add(fmt::format("blk.{}.{}.weight", i, part), {width, width});
      add(fmt::format("blk.{}.attn_norm.weight", i), {width});
      for (const char* part : {"ffn_gate", "ffn_up", "ffn_down"})
        if (experts > 0)
          add(fmt::format("blk.{}.{}_exps.weight", i, part), {experts, width, width});
        else
          add(fmt::format("blk.{}.{}.weight", i, part), {width, width});
      if (experts > 0) add(fmt::format("blk.{}.ffn_gate_inp.weight", i), {experts, width});
    }
  }
  void add(std::string name, std::vector<uint64_t> shape) {
    tensors.push_back({std::move(name), std::move(shape)});
  }

  std::map<std::string, MixChoice> choices(std::string_view mix,
                                           const MixOptions& options = {}) const {
    std::vector<MixTensor> views;
    for (const Tensor& tensor : tensors) views.push_back({tensor.name, tensor.shape});
    const auto chosen = choose_types(*find_mix(mix), model, views, options);
    std::map<std::string, MixChoice> by_name;
    for (size_t i = 0; i < chosen.size(); ++i) by_name[tensors[i].name] = chosen[i];
    return by_name;
  }
  // The layers whose `part` has that type.
  std::set<uint64_t> layers_of(std::string_view mix, std::string_view part, DType type,
                               const MixOptions& options = {}) const {
    std::set<uint64_t> layers;
    const auto all = choices(mix, options);
    for (uint64_t i = 0; i < model.layers; ++i)
      if (all.at(fmt::format("blk.{}.{}.weight", i, part)).dtype == type) layers.insert(i);
    return layers;
  }
};

std::set<uint64_t> up_to(uint64_t count) {
  std::set<uint64_t> numbers;
  for (uint64_t i = 0; i < count; ++i) numbers.insert(i);
  return numbers;
}

// As published for 28 layers (llama.cpp's use_more_bits).
const std::set<uint64_t> kMoreOf28 = {0, 1, 2, 5, 8, 11, 14, 17, 20, 23, 24, 25, 26, 27};

TEST(Mix, NamesOfAnyCaseAndAliases) {
  EXPECT_EQ(find_mix("q4_k_m")->name, "Q4_K_M");
  EXPECT_EQ(find_mix("Q4-K-M")->name, "Q4_K_M");
  EXPECT_EQ(find_mix("q4_k")->name, "Q4_K_M");
  EXPECT_EQ(find_mix("q5_k")->name, "Q5_K_M");
  EXPECT_EQ(find_mix("q3_k")->name, "Q3_K_M");
  EXPECT_EQ(find_mix("q9_k"), nullptr);
  EXPECT_EQ(find_mix(""), nullptr);
  EXPECT_EQ(find_mix("q4_k_mm"), nullptr);
}

TEST(Mix, EveryMixHasAFileTypeOfItsOwn) {
  std::set<uint32_t> seen;
  for (const Mix& mix : mixes()) {
    EXPECT_TRUE(seen.insert(mix.file_type).second) << mix.name;
    EXPECT_EQ(find_mix(mix.name), &mix);
  }
}

TEST(Mix, Q4KMOfASmallModel) {
  const ModelOfMix model("llama", 28, 16, 8);
  const auto choices = model.choices("Q4_K_M");
  EXPECT_EQ(choices.at("output.weight").dtype, DType::Q6_K);
  EXPECT_EQ(choices.at("token_embd.weight").dtype, DType::Q4_K);
  EXPECT_EQ(choices.at("output_norm.weight").dtype, DType::F32);
  EXPECT_EQ(choices.at("blk.0.attn_q.weight").dtype, DType::Q4_K);
  EXPECT_EQ(model.layers_of("Q4_K_M", "attn_v", DType::Q6_K), kMoreOf28);
  EXPECT_EQ(model.layers_of("Q4_K_M", "ffn_down", DType::Q6_K), kMoreOf28);
  EXPECT_EQ(model.layers_of("Q5_K_M", "ffn_down", DType::Q6_K), kMoreOf28);
}

TEST(Mix, TheEmbeddingIsTheOutputWhereThereIsNone) {
  const ModelOfMix model("llama", 4, 4, 4, 0, 512, true);
  EXPECT_EQ(model.choices("Q4_K_M").at("token_embd.weight").dtype, DType::Q6_K);
  EXPECT_EQ(model.choices("Q8_0").at("token_embd.weight").dtype, DType::Q8_0);
  EXPECT_EQ(model.choices("Q4_0").at("token_embd.weight").dtype, DType::Q6_K);
}

TEST(Mix, SmallerMixesGiveMoreToTheFirstLayers) {
  const ModelOfMix model("llama", 32, 32, 32);
  EXPECT_EQ(model.layers_of("Q4_K_S", "attn_v", DType::Q5_K), up_to(4));
  EXPECT_EQ(model.layers_of("Q4_K_S", "ffn_down", DType::Q5_K), up_to(4));
  EXPECT_EQ(model.layers_of("Q3_K_M", "attn_v", DType::Q5_K), up_to(2));
  EXPECT_EQ(model.layers_of("Q3_K_M", "ffn_down", DType::Q5_K), up_to(2));
  EXPECT_EQ(model.layers_of("Q3_K_M", "ffn_down", DType::Q4_K).size(), 30u);
  EXPECT_EQ(model.layers_of("Q3_K_M", "attn_output", DType::Q4_K), up_to(32));
  EXPECT_EQ(model.layers_of("Q3_K_L", "ffn_down", DType::Q5_K), up_to(32));
  EXPECT_EQ(model.layers_of("Q2_K", "attn_output", DType::Q3_K), up_to(32));
  EXPECT_EQ(model.layers_of("Q2_K", "attn_v", DType::Q3_K), up_to(32));
  EXPECT_EQ(model.layers_of("Q2_K_S", "ffn_down", DType::Q4_K), up_to(4));
}

TEST(Mix, SharedKeysGetMore) {
  const ModelOfMix shared("llama", 8, 32, 8);
  EXPECT_EQ(shared.layers_of("Q2_K", "attn_v", DType::Q4_K), up_to(8));
  EXPECT_EQ(shared.layers_of("Q2_K_S", "attn_v", DType::Q4_K), up_to(8));
  EXPECT_EQ(shared.layers_of("IQ4_XS", "attn_v", DType::Q5_K), up_to(8));
}

TEST(Mix, SeventyB) {
  const ModelOfMix model("llama", 80, 64, 8);
  EXPECT_EQ(model.layers_of("Q4_K_M", "attn_v", DType::Q5_K).size(), 40u);
  EXPECT_EQ(model.layers_of("Q4_K_M", "attn_v", DType::Q6_K).size(), 40u);
  EXPECT_EQ(model.layers_of("Q3_K_S", "attn_v", DType::Q5_K), up_to(80));
  const ModelOfMix same("llama", 80, 64, 64);
  EXPECT_EQ(same.layers_of("Q3_K_S", "attn_v", DType::Q3_K), up_to(80));
}

TEST(Mix, EightExperts) {
  const ModelOfMix model("llama", 32, 32, 8, 8);
  EXPECT_EQ(model.layers_of("Q6_K", "attn_v", DType::Q8_0), up_to(32));
  EXPECT_EQ(model.layers_of("Q4_K_M", "attn_k", DType::Q8_0), up_to(32));
  EXPECT_EQ(model.layers_of("Q4_K_M", "attn_output", DType::Q5_K), up_to(32));
  EXPECT_EQ(model.layers_of("Q3_K_L", "attn_output", DType::Q3_K), up_to(32));
  EXPECT_EQ(model.choices("Q4_K_M").at("blk.0.ffn_gate_inp.weight").dtype, DType::F32);
  EXPECT_EQ(model.layers_of("Q4_K_S", "ffn_down_exps", DType::Q5_K), up_to(4));
  const ModelOfMix many("qwen3moe", 32, 32, 8, 64);
  EXPECT_EQ(many.layers_of("Q4_K_M", "attn_k", DType::Q4_K), up_to(32));
}

TEST(Mix, Falcon) {
  const ModelOfMix model("falcon", 32, 71, 1);
  EXPECT_EQ(model.choices("Q4_K_M").at("output.weight").dtype, DType::Q8_0);
  EXPECT_EQ(model.layers_of("Q4_K_M", "ffn_down", DType::Q6_K), up_to(2));
  EXPECT_EQ(model.layers_of("Q3_K_L", "attn_output", DType::Q4_K), up_to(32));
  EXPECT_EQ(model.layers_of("Q3_K_M", "attn_output", DType::Q3_K), up_to(32));
}

TEST(Mix, ImportanceChangesTheFirstEighth) {
  const ModelOfMix model("llama", 32, 32, 32);
  MixOptions options;
  options.has_importance = true;
  EXPECT_EQ(model.layers_of("Q4_0", "ffn_down", DType::Q4_1, options), up_to(4));
  EXPECT_EQ(model.layers_of("Q5_0", "ffn_down", DType::Q5_1, options), up_to(4));
  EXPECT_EQ(model.layers_of("Q4_0", "ffn_down", DType::Q4_1), up_to(0));
  EXPECT_EQ(model.layers_of("IQ4_NL", "ffn_down", DType::Q5_K, options), up_to(0));
  EXPECT_EQ(model.layers_of("IQ4_NL", "ffn_down", DType::Q5_K), up_to(4));
}

TEST(Mix, RowsThatAreNotWholeBlocksFallBack) {
  const ModelOfMix model("qwen2", 24, 14, 2, 0, 896);
  const auto choices = model.choices("Q4_K_M");
  EXPECT_EQ(choices.at("blk.3.attn_q.weight").dtype, DType::Q5_0);
  EXPECT_EQ(choices.at("blk.3.attn_q.weight").instead_of, DType::Q4_K);
  EXPECT_EQ(choices.at("blk.0.attn_v.weight").dtype, DType::Q8_0);  // instead of Q6_K
  EXPECT_EQ(choices.at("output.weight").dtype, DType::Q8_0);
  EXPECT_EQ(choices.at("output.weight").instead_of, std::nullopt);
  EXPECT_EQ(model.choices("IQ4_XS").at("blk.9.attn_q.weight").dtype, DType::IQ4_NL);
  const ModelOfMix odd("qwen2", 2, 4, 4, 0, 60);
  EXPECT_EQ(odd.choices("Q4_0").at("blk.0.attn_q.weight").dtype, DType::F16);
}

TEST(Mix, OptionsGoBeforeRules) {
  const ModelOfMix model("llama", 4, 4, 4);
  MixOptions options;
  options.pure = true;
  EXPECT_EQ(model.choices("Q4_K_M", options).at("output.weight").dtype, DType::Q4_K);
  EXPECT_EQ(model.choices("Q4_K_M", options).at("output_norm.weight").dtype, DType::F32);
  options = {};
  options.output_type = DType::Q8_0;
  options.embedding_type = DType::Q2_K;
  EXPECT_EQ(model.choices("Q4_K_M", options).at("output.weight").dtype, DType::Q8_0);
  EXPECT_EQ(model.choices("Q4_K_M", options).at("token_embd.weight").dtype, DType::Q2_K);
  const ModelOfMix tied("llama", 4, 4, 4, 0, 512, true);
  EXPECT_EQ(tied.choices("Q4_K_M", options).at("token_embd.weight").dtype, DType::Q2_K);
}

TEST(Mix, PlainMixesHaveNoRules) {
  const ModelOfMix model("llama", 4, 4, 4);
  for (const auto& [name, type] : {std::pair{"F16", DType::F16}, {"BF16", DType::BF16}}) {
    EXPECT_EQ(model.choices(name).at("output.weight").dtype, type);
    EXPECT_EQ(model.choices(name).at("blk.0.attn_norm.weight").dtype, DType::F32);
  }
}

TEST(Mix, AFusedQkvCountsAsAttnV) {
  ModelOfMix model("phi3", 8, 8, 8);
  for (auto& tensor : model.tensors)
    if (const size_t at = tensor.name.find("attn_v."); at != std::string::npos)
      tensor.name.replace(at, 6, "attn_qkv");
  EXPECT_EQ(model.layers_of("Q4_K_M", "attn_qkv", DType::Q6_K), (std::set<uint64_t>{0, 3, 6, 7}));
}

TEST(Mix, EveryChoiceSaysWhy) {
  const ModelOfMix model("llama", 8, 8, 8);
  for (const Mix& mix : mixes())
    for (const auto& [name, choice] : model.choices(mix.name)) EXPECT_FALSE(choice.rule.empty());
}

}  // namespace
}  // namespace stkit::quant
