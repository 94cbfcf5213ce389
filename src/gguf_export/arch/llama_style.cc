#include "gguf_export/arch/llama_style.h"

#include <array>
#include <cmath>
#include <numbers>

#include "gguf_export/metadata_builder.h"

namespace stkit::gguf_export {
namespace {

std::optional<double> only(bool condition, std::optional<double> value) {
  return condition ? value : std::nullopt;
}

bool is_scaled(const HyperParameters& c, std::string_view type) {
  return c.rope_type() == type && c.rope_number("factor").has_value();
}

std::optional<double> theta(const HyperParameters& c) { return c.rope_theta(); }
std::optional<double> sliding_theta(const HyperParameters& c) { return c.sliding_rope_theta(); }
std::optional<double> not_causal(const HyperParameters& c) {
  return only(c.flag("is_causal") == false, 0);
}
std::optional<double> scaling_factor(const HyperParameters& c) {
  return only(is_scaled(c, "linear") || is_scaled(c, "yarn"), c.rope_number("factor"));
}
template <const std::string_view& kName>
std::optional<double> yarn(const HyperParameters& c) {
  return only(is_scaled(c, "yarn"), c.rope_number(kName));
}
constexpr std::string_view kOriginalContext = "original_max_position_embeddings";
constexpr std::string_view kExtrapolation = "extrapolation_factor";
constexpr std::string_view kBetaFast = "beta_fast";
constexpr std::string_view kBetaSlow = "beta_slow";
std::optional<double> yarn_attention(const HyperParameters& c) {
  const auto factor = c.rope_number("attention_factor");
  return only(is_scaled(c, "yarn"), factor ? factor : c.rope_number("attn_factor"));
}

// The numbers of llama.cpp's llama_expert_gating_func_type.
std::optional<double> gating_function(const HyperParameters& c) {
  for (const std::string_view name : {"score_function", "scoring_func", "score_func"}) {
    const auto function = c.text(name);
    if (function == "softmax") return 1;
    if (function == "sigmoid") return 2;
  }
  return std::nullopt;
}

constexpr GgufType kU32 = GgufType::U32;
constexpr GgufType kF32 = GgufType::F32;

constexpr KeyRow kKeys[] = {
    {"block_count", kU32, {"n_layers", "num_hidden_layers", "n_layer", "num_layers"}, {}, true},
    {"context_length",
     kU32,
     {"max_position_embeddings", "n_ctx", "n_positions", "max_length", "max_sequence_length",
      "model_max_length"},
     {},
     true},
    {"embedding_length", kU32, {"hidden_size", "n_embd", "dim"}, {}, true},
    {"feed_forward_length", kU32, {"intermediate_size", "n_inner", "hidden_dim"}},
    {"attention.head_count", kU32, {"num_attention_heads", "n_head", "n_heads"}, {}, true},
    {"attention.head_count_kv", kU32, {"num_key_value_heads", "n_kv_heads"}},
    {"attention.causal", GgufType::Bool, {}, not_causal},
    {"rope.scaling.factor", kF32, {}, scaling_factor},
    {"rope.scaling.original_context_length", kU32, {}, yarn<kOriginalContext>},
    {"rope.scaling.yarn_ext_factor", kF32, {}, yarn<kExtrapolation>},
    {"rope.scaling.yarn_attn_factor", kF32, {}, yarn_attention},
    {"rope.scaling.yarn_beta_fast", kF32, {}, yarn<kBetaFast>},
    {"rope.scaling.yarn_beta_slow", kF32, {}, yarn<kBetaSlow>},
    {"rope.freq_base", kF32, {}, theta},
    {"rope.freq_base_swa", kF32, {}, sliding_theta},
    {"attention.layer_norm_rms_epsilon", kF32, {"rms_norm_eps", "norm_eps"}},
    {"attention.layer_norm_epsilon",
     kF32,
     {"layer_norm_eps", "layer_norm_epsilon", "norm_epsilon"}},
    {"expert_count", kU32, {"num_local_experts", "num_experts", "n_routed_experts"}},
    {"expert_used_count", kU32, {"num_experts_per_tok", "num_experts_per_token", "top_k_experts"}},
    {"expert_group_count", kU32, {"n_group"}},
    {"expert_group_used_count", kU32, {"topk_group"}},
    {"expert_gating_func", kU32, {}, gating_function},
    {"attention.key_length", kU32, {"head_dim"}},
    {"attention.value_length", kU32, {"head_dim"}},
};

std::optional<double> whole_head(const HyperParameters& c) {
  const auto dim = c.head_dim();
  return dim ? std::optional(static_cast<double>(*dim)) : std::nullopt;
}
constexpr KeyRow kRotation[] = {
    {"vocab_size", kU32, {"vocab_size"}},
    {"rope.dimension_count", kU32, {}, whole_head},
};

constexpr TensorRow kEmbedding[] = {
    {"embed_tokens", "token_embd"},
    {"norm", "output_norm"},
    {"lm_head", "output"},
};
constexpr TensorRow kAttention[] = {
    {"layers.{}.self_attn.q_proj", "blk.{}.attn_q"},
    {"layers.{}.self_attn.k_proj", "blk.{}.attn_k"},
    {"layers.{}.self_attn.v_proj", "blk.{}.attn_v"},
    {"layers.{}.self_attn.o_proj", "blk.{}.attn_output"},
};
constexpr TensorRow kRotaryPairs[] = {
    {"layers.{}.self_attn.q_proj", "blk.{}.attn_q", Arrange::RotaryPairsQ},
    {"layers.{}.self_attn.k_proj", "blk.{}.attn_k", Arrange::RotaryPairsK},
    {"layers.{}.self_attn.v_proj", "blk.{}.attn_v"},
    {"layers.{}.self_attn.o_proj", "blk.{}.attn_output"},
};
constexpr TensorRow kHeadNorms[] = {
    {"layers.{}.self_attn.q_norm", "blk.{}.attn_q_norm"},
    {"layers.{}.self_attn.k_norm", "blk.{}.attn_k_norm"},
};
constexpr TensorRow kPreNorms[] = {
    {"layers.{}.input_layernorm", "blk.{}.attn_norm"},
    {"layers.{}.post_attention_layernorm", "blk.{}.ffn_norm"},
};
constexpr TensorRow kFeedForward[] = {
    {"layers.{}.mlp.gate_proj", "blk.{}.ffn_gate"},
    {"layers.{}.mlp.up_proj", "blk.{}.ffn_up"},
    {"layers.{}.mlp.down_proj", "blk.{}.ffn_down"},
};
constexpr TensorRow kExperts[] = {
    {"layers.{}.mlp.gate", "blk.{}.ffn_gate_inp"},
    {"layers.{}.mlp.experts.{}.gate_proj", "blk.{}.ffn_gate_exps", Arrange::Stack},
    {"layers.{}.mlp.experts.{}.up_proj", "blk.{}.ffn_up_exps", Arrange::Stack},
    {"layers.{}.mlp.experts.{}.down_proj", "blk.{}.ffn_down_exps", Arrange::Stack},
    {"layers.{}.mlp.experts.gate_up_proj", "blk.{}.ffn_gate_exps", Arrange::FirstHalf},
    {"layers.{}.mlp.experts.gate_up_proj", "blk.{}.ffn_up_exps", Arrange::SecondHalf},
    {"layers.{}.mlp.experts.down_proj", "blk.{}.ffn_down_exps"},
};

// Longest first: what one takes off must not begin with another that is in the list.
constexpr std::string_view kPrefixes[] = {"model.language_model.model.",
                                          "language_model.model.",
                                          "model.language_model.",
                                          "language_model.",
                                          "model.text_model.",
                                          "text_model.",
                                          "model."};

std::vector<float> llama3_rope_factors(const HyperParameters& config) {
  const auto head_dim = config.head_dim();
  if (config.rope_type() != "llama3" || !head_dim) return {};
  // In float, as the converter of llama.cpp computes them: the bytes are compared.
  const auto base = static_cast<float>(config.rope_theta().value_or(10000));
  const auto number = [&](std::string_view name, double fallback) {
    return static_cast<float>(config.rope_number(name).value_or(fallback));
  };
  const float factor = number("factor", 8);
  const float low = number("low_freq_factor", 1), high = number("high_freq_factor", 4);
  const float context = number("original_max_position_embeddings", 8192);
  std::vector<float> factors;
  for (uint64_t i = 0; i < *head_dim; i += 2) {
    const float exponent = static_cast<float>(i) / static_cast<float>(*head_dim);
    const float frequency = 1 / std::pow(base, exponent);
    const float wavelength = static_cast<float>(2 * std::numbers::pi) / frequency;
    if (wavelength < context / high) {
      factors.push_back(1);
    } else if (wavelength > context / low) {
      factors.push_back(factor);
    } else {
      const float smooth = (context / wavelength - low) / (high - low);
      factors.push_back(1 / ((1 - smooth) / factor + smooth));
    }
  }
  return factors;
}

constexpr GeneratedTensor kLlama3[] = {{"rope_freqs.weight", llama3_rope_factors}};

}  // namespace

constinit const std::span<const KeyRow> kBaseKeys = kKeys;
constinit const std::span<const KeyRow> kRotationKeys = kRotation;
constinit const std::span<const TensorRow> kEmbeddingRows = kEmbedding;
constinit const std::span<const TensorRow> kAttentionRows = kAttention;
constinit const std::span<const TensorRow> kRotaryPairRows = kRotaryPairs;
constinit const std::span<const TensorRow> kHeadNormRows = kHeadNorms;
constinit const std::span<const TensorRow> kPreNormRows = kPreNorms;
constinit const std::span<const TensorRow> kFeedForwardRows = kFeedForward;
constinit const std::span<const TensorRow> kExpertRows = kExperts;
constinit const std::span<const std::string_view> kModelPrefixes = kPrefixes;
constinit const std::span<const GeneratedTensor> kLlama3Generated = kLlama3;

void base_more_keys(const HyperParameters& config, MetadataBuilder& out) {
  const std::string_view type = config.rope_type();
  if (is_scaled(config, "linear")) out.set_text(out.arch_key("rope.scaling.type"), "linear");
  if (is_scaled(config, "yarn")) out.set_text(out.arch_key("rope.scaling.type"), "yarn");
  if (type == "su" || type == "longrope")
    out.set_text(out.arch_key("rope.scaling.type"), "longrope");

  const std::span<const JsonValue> sections = config.rope_list("mrope_section");
  if (sections.empty()) return;
  std::array<int32_t, 4> counts = {};
  for (size_t i = 0; i < std::min(sections.size(), counts.size()); ++i)
    counts[i] = static_cast<int32_t>(sections[i].as_uint().value_or(0));
  out.set_numbers<int32_t>(out.arch_key("rope.dimension_sections"), counts);
}

std::optional<double> computed_head_dim(const HyperParameters& config) {
  const auto embedding = config.embedding(), heads = config.heads();
  if (!embedding || !heads || *heads == 0) return std::nullopt;
  const uint64_t head_dim = *embedding / *heads;
  return static_cast<double>(head_dim);
}

std::optional<double> same_as_heads(const HyperParameters& config) {
  const auto heads = config.heads();
  return heads ? std::optional(static_cast<double>(*heads)) : std::nullopt;
}

}  // namespace stkit::gguf_export
