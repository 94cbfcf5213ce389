// GLM-4 of 2025 (9B and 32B). Gate and up stay fused; norms are before and behind both halves.
#include <cmath>

#include "gguf_export/arch/llama_style.h"
#include "gguf_export/arch/registry.h"

namespace stkit::gguf_export {
namespace {

constexpr std::string_view kClasses[] = {"Glm4ForCausalLM"};
constexpr ConfigDefault kDefaults[] = {
    {"num_key_value_heads", 2},          {"head_dim", 128},     {"rms_norm_eps", 1.5625e-07},
    {"max_position_embeddings", 131072}, {"rope_theta", 10000}, {"partial_rotary_factor", 0.5},
};

std::optional<double> rotated(const HyperParameters& config) {
  const auto dim = config.head_dim();
  const auto part = config.rope_number("partial_rotary_factor");
  return dim && part ? std::optional(std::floor(*part * static_cast<double>(*dim))) : std::nullopt;
}
constexpr KeyRow kOwnKeys[] = {{"rope.dimension_count", GgufType::U32, {}, rotated}};
const std::span<const KeyRow> kKeys[] = {kBaseKeys, kOwnKeys};

constexpr TensorRow kOwnRows[] = {
    {"layers.{}.input_layernorm", "blk.{}.attn_norm"},
    {"layers.{}.post_self_attn_layernorm", "blk.{}.post_attention_norm"},
    {"layers.{}.post_attention_layernorm", "blk.{}.ffn_norm"},
    {"layers.{}.post_mlp_layernorm", "blk.{}.post_ffw_norm"},
    {"layers.{}.mlp.gate_up_proj", "blk.{}.ffn_up"},
};
const std::span<const TensorRow> kRows[] = {kOwnRows, kEmbeddingRows, kAttentionRows,
                                            kFeedForwardRows};

constexpr NamedToken kTokens[] = {{"eos", "<|endoftext|>"},
                                  {"eot", "<|user|>"},
                                  {"unknown", "<|endoftext|>"},
                                  {"bos", "<|endoftext|>"}};

}  // namespace

Architecture glm4_architecture() {
  return {.name = "glm4",
          .classes = kClasses,
          .defaults = kDefaults,
          .keys = kKeys,
          .rows = kRows,
          .prefixes = kModelPrefixes,
          .more_keys = base_more_keys,
          .special_tokens = kTokens};
}

}  // namespace stkit::gguf_export
