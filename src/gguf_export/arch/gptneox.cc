// GPT-NeoX and Pythia. Query, key and value are interleaved by head.
#include <cmath>

#include "gguf_export/arch/registry.h"

namespace stkit::gguf_export {
namespace {

constexpr std::string_view kClasses[] = {"GPTNeoXForCausalLM"};
constexpr ConfigDefault kDefaults[] = {
    {"max_position_embeddings", 2048},
    {"layer_norm_eps", 1e-5},
    {"rotary_pct", 0.25},
    {"use_parallel_residual", 1},
};

std::optional<double> rotated(const HyperParameters& config) {
  const auto dim = config.head_dim();
  auto part = config.rope_number("partial_rotary_factor");
  if (!part) part = config.number("rotary_pct");
  return dim && part ? std::optional(std::floor(*part * static_cast<double>(*dim))) : std::nullopt;
}
constexpr KeyRow kOwnKeys[] = {
    {"context_length", GgufType::U32, {"max_position_embeddings"}, {}, true},
    {"embedding_length", GgufType::U32, {"hidden_size"}, {}, true},
    {"block_count", GgufType::U32, {"num_hidden_layers"}, {}, true},
    {"feed_forward_length", GgufType::U32, {"intermediate_size"}, {}, true},
    {"rope.dimension_count", GgufType::U32, {}, rotated},
    {"attention.head_count", GgufType::U32, {"num_attention_heads"}, {}, true},
    {"use_parallel_residual", GgufType::Bool, {"use_parallel_residual"}},
    {"attention.layer_norm_epsilon", GgufType::F32, {"layer_norm_eps"}},
};
const std::span<const KeyRow> kKeys[] = {kOwnKeys};

constexpr TensorRow kOwnRows[] = {
    {"embed_in", "token_embd"},
    {"embed_out", "output"},
    {"lm_head", "output"},
    {"final_layer_norm", "output_norm"},
    {"layers.{}.input_layernorm", "blk.{}.attn_norm"},
    {"layers.{}.post_attention_layernorm", "blk.{}.ffn_norm"},
    {"layers.{}.attention.query_key_value", "blk.{}.attn_qkv", Arrange::HeadsToQkv},
    {"layers.{}.attention.dense", "blk.{}.attn_output"},
    {"layers.{}.mlp.dense_h_to_4h", "blk.{}.ffn_up"},
    {"layers.{}.mlp.dense_4h_to_h", "blk.{}.ffn_down"},
    {"layers.{}.attention.bias", ""},  // the causal mask
    {"layers.{}.attention.masked_bias", ""},
};
const std::span<const TensorRow> kRows[] = {kOwnRows};
constexpr std::string_view kPrefixes[] = {"gpt_neox."};

}  // namespace

Architecture gptneox_architecture() {
  return {.name = "gptneox",
          .classes = kClasses,
          .defaults = kDefaults,
          .keys = kKeys,
          .rows = kRows,
          .prefixes = kPrefixes,
          .needs_output = true};
}

}  // namespace stkit::gguf_export
