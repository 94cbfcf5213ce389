// Phi-3, 3.5 and 4. Attention and feed-forward stay fused; long contexts have factors of their own
// for each rotation.
#include <cmath>

#include "gguf_export/arch/llama_style.h"
#include "gguf_export/arch/registry.h"

namespace stkit::gguf_export {
namespace {

constexpr std::string_view kClasses[] = {"Phi3ForCausalLM"};
constexpr ConfigDefault kDefaults[] = {
    {"num_key_value_heads", 0, same_as_heads},
    {"rms_norm_eps", 1e-5},
    {"max_position_embeddings", 4096},
    {"original_max_position_embeddings", 4096},
    {"rope_theta", 10000},
    {"partial_rotary_factor", 1},
};

std::optional<double> rotated(const HyperParameters& config) {
  const auto embedding = config.embedding(), heads = config.heads();
  if (!embedding || !heads || *heads == 0) return std::nullopt;
  const double all =
      config.rope_number("partial_rotary_factor").value_or(1) * static_cast<double>(*embedding);
  return std::floor(std::floor(all) / static_cast<double>(*heads));
}
std::optional<double> theta(const HyperParameters& config) { return config.rope_theta(); }
std::optional<double> original_context(const HyperParameters& config) {
  return config.rope_number("original_max_position_embeddings");
}
// 0 says that there is none: the loader tells Phi-4 from older models by that.
std::optional<double> window(const HyperParameters& config) {
  return config.number("sliding_window").value_or(0);
}
std::optional<double> attention_factor(const HyperParameters& config) {
  if (config.rope_list("long_factor").empty()) return std::nullopt;
  const auto longest = config.number("max_position_embeddings"),
             original = original_context(config);
  if (!longest || !original) return std::nullopt;
  const double scale = *longest / *original;
  if (scale <= 1) return 1;
  if (config.rope_type() == "yarn") return 0.1 * std::log(scale) + 1;
  return std::sqrt(1 + std::log(scale) / std::log(*original));
}

constexpr KeyRow kOwnKeys[] = {
    {"context_length", GgufType::U32, {"max_position_embeddings"}, {}, true},
    {"rope.scaling.original_context_length", GgufType::U32, {}, original_context},
    {"embedding_length", GgufType::U32, {"hidden_size", "n_embd"}, {}, true},
    {"feed_forward_length", GgufType::U32, {"intermediate_size"}, {}, true},
    {"block_count", GgufType::U32, {"num_hidden_layers"}, {}, true},
    {"attention.head_count", GgufType::U32, {"num_attention_heads"}, {}, true},
    {"attention.head_count_kv", GgufType::U32, {"num_key_value_heads"}},
    {"attention.layer_norm_rms_epsilon", GgufType::F32, {"rms_norm_eps"}},
    {"rope.dimension_count", GgufType::U32, {}, rotated},
    {"rope.freq_base", GgufType::F32, {}, theta},
    {"attention.sliding_window", GgufType::U32, {}, window},
    {"rope.scaling.attn_factor", GgufType::F32, {}, attention_factor},
};
const std::span<const KeyRow> kKeys[] = {kOwnKeys};

constexpr TensorRow kFused[] = {
    {"layers.{}.self_attn.qkv_proj", "blk.{}.attn_qkv"},
    {"layers.{}.mlp.gate_up_proj", "blk.{}.ffn_up"},
};
const std::span<const TensorRow> kRows[] = {kFused, kEmbeddingRows, kAttentionRows, kPreNormRows,
                                            kFeedForwardRows};

std::vector<float> factors(const HyperParameters& config, std::string_view name) {
  std::vector<float> values;
  for (const JsonValue& value : config.rope_list(name))
    values.push_back(static_cast<float>(value.as_number().value_or(1)));
  return values;
}
std::vector<float> long_factors(const HyperParameters& config) {
  return factors(config, "long_factor");
}
std::vector<float> short_factors(const HyperParameters& config) {
  return factors(config, "short_factor");
}
const GeneratedTensor kGenerated[] = {{"rope_factors_long.weight", long_factors},
                                      {"rope_factors_short.weight", short_factors}};

}  // namespace

Architecture phi3_architecture() {
  return {.name = "phi3",
          .classes = kClasses,
          .defaults = kDefaults,
          .keys = kKeys,
          .rows = kRows,
          .prefixes = kModelPrefixes,
          .generated = kGenerated,
          .vocabulary = VocabularyChoice::SentencePiece};
}

}  // namespace stkit::gguf_export
