// DeepSeek V2 and V3, R1, Kimi K2. Keys and values come from one latent vector; the loader wants
// them as one group of queries, with the two halves of the matrix that expands it apart.
#include "gguf_export/arch/llama_style.h"
#include "gguf_export/arch/registry.h"

namespace stkit::gguf_export {
namespace {

constexpr std::string_view kClasses[] = {"DeepseekV2ForCausalLM"};
constexpr std::string_view kSigmoidClasses[] = {"DeepseekV3ForCausalLM", "KimiK2ForCausalLM"};
constexpr ConfigDefault kDefaults[] = {
    {"rms_norm_eps", 1e-6}, {"rope_theta", 10000},   {"max_position_embeddings", 2048},
    {"kv_lora_rank", 512},  {"n_shared_experts", 0},
};

std::optional<double> sum(const HyperParameters& config, std::string_view a, std::string_view b) {
  const auto first = config.number(a), second = config.number(b);
  return first && second ? std::optional(*first + *second) : std::nullopt;
}
std::optional<double> one(const HyperParameters&) { return 1; }
std::optional<double> key_length(const HyperParameters& config) {
  return sum(config, "kv_lora_rank", "qk_rope_head_dim");
}
std::optional<double> key_length_mla(const HyperParameters& config) {
  return sum(config, "qk_nope_head_dim", "qk_rope_head_dim");
}
// Without experts all layers are dense.
std::optional<double> dense_layers(const HyperParameters& config) {
  if (const auto given = config.number("first_k_dense_replace")) return given;
  return config.number("n_routed_experts") ? 0 : config.number("num_hidden_layers");
}
std::optional<double> weights_norm(const HyperParameters& config) {
  return config.flag("norm_topk_prob") == true ? std::optional(1.0) : std::nullopt;
}
// A tenth of what the model says: the loader multiplies by ten for this architecture.
std::optional<double> yarn_log(const HyperParameters& config) {
  const auto scale = config.rope_number("mscale_all_dim");
  return scale ? std::optional(0.1 * *scale) : std::nullopt;
}

constexpr KeyRow kOwnKeys[] = {
    {"attention.head_count_kv", GgufType::U32, {}, one},
    {"leading_dense_block_count", GgufType::U32, {}, dense_layers},
    {"vocab_size", GgufType::U32, {"vocab_size"}},
    {"attention.q_lora_rank", GgufType::U32, {"q_lora_rank"}},
    {"attention.kv_lora_rank", GgufType::U32, {"kv_lora_rank"}},
    {"attention.key_length", GgufType::U32, {}, key_length},
    {"attention.value_length", GgufType::U32, {"kv_lora_rank"}},
    {"attention.key_length_mla", GgufType::U32, {}, key_length_mla},
    {"attention.value_length_mla", GgufType::U32, {"v_head_dim"}},
    {"expert_feed_forward_length", GgufType::U32, {"moe_intermediate_size", "intermediate_size"}},
    {"expert_count", GgufType::U32, {"n_routed_experts"}},
    {"expert_shared_count", GgufType::U32, {"n_shared_experts"}},
    {"expert_weights_scale", GgufType::F32, {"routed_scaling_factor"}},
    {"expert_weights_norm", GgufType::Bool, {}, weights_norm},
    {"rope.dimension_count", GgufType::U32, {"qk_rope_head_dim"}},
    {"rope.scaling.yarn_log_multiplier", GgufType::F32, {}, yarn_log},
};
const std::span<const KeyRow> kKeys[] = {kBaseKeys, kOwnKeys};

// Version 3 knows no other way of gating, and transformers 5 no longer saves the field that says
// so.
std::optional<double> gating(const HyperParameters& config) {
  constexpr double kSoftmax = 1, kSigmoid = 2;  // llama.cpp's llama_expert_gating_func_type
  return config.text("scoring_func") == "softmax" ? kSoftmax : kSigmoid;
}
constexpr KeyRow kSigmoidKeys[] = {{"expert_gating_func", GgufType::U32, {}, gating}};
const std::span<const KeyRow> kAllSigmoidKeys[] = {kBaseKeys, kOwnKeys, kSigmoidKeys};

constexpr TensorRow kOwnRows[] = {
    {"layers.{}.self_attn.q_a_proj", "blk.{}.attn_q_a"},
    {"layers.{}.self_attn.q_a_layernorm", "blk.{}.attn_q_a_norm"},
    {"layers.{}.self_attn.q_b_proj", "blk.{}.attn_q_b"},
    {"layers.{}.self_attn.kv_a_proj_with_mqa", "blk.{}.attn_kv_a_mqa"},
    {"layers.{}.self_attn.kv_a_layernorm", "blk.{}.attn_kv_a_norm"},
    {"layers.{}.self_attn.kv_b_proj", "blk.{}.attn_k_b", Arrange::KeyHalf},
    {"layers.{}.self_attn.kv_b_proj", "blk.{}.attn_v_b", Arrange::ValueHalf},
    {"layers.{}.mlp.gate.e_score_correction_bias", "blk.{}.exp_probs_b.bias"},
    {"layers.{}.mlp.shared_experts.gate_proj", "blk.{}.ffn_gate_shexp"},
    {"layers.{}.mlp.shared_experts.up_proj", "blk.{}.ffn_up_shexp"},
    {"layers.{}.mlp.shared_experts.down_proj", "blk.{}.ffn_down_shexp"},
};
const std::span<const TensorRow> kRows[] = {kOwnRows,     kEmbeddingRows, kAttentionRows,
                                            kPreNormRows, kExpertRows,    kFeedForwardRows};

}  // namespace

Architecture deepseek2_architecture() {
  return {.name = "deepseek2",
          .classes = kClasses,
          .defaults = kDefaults,
          .keys = kKeys,
          .rows = kRows,
          .prefixes = kModelPrefixes,
          .more_keys = base_more_keys,
          .drops_extra_layers = true};
}

Architecture deepseek3_architecture() {
  Architecture architecture = deepseek2_architecture();
  architecture.classes = kSigmoidClasses;
  architecture.keys = kAllSigmoidKeys;
  return architecture;
}

}  // namespace stkit::gguf_export
