// StableLM 2 and 3B. Norms of queries and keys are stored head by head.
#include <cmath>

#include "gguf_export/arch/llama_style.h"
#include "gguf_export/arch/registry.h"

namespace stkit::gguf_export {
namespace {

constexpr std::string_view kClasses[] = {"StableLmForCausalLM", "StableLMEpochForCausalLM"};
constexpr ConfigDefault kDefaults[] = {
    {"num_key_value_heads", 32},       {"layer_norm_eps", 1e-5},
    {"max_position_embeddings", 4096}, {"use_parallel_residual", 0},
    {"partial_rotary_factor", 0.25},
};

std::optional<double> rotated(const HyperParameters& config) {
  const auto embedding = config.embedding(), heads = config.heads();
  auto part = config.number("rope_pct");
  if (!part) part = config.rope_number("partial_rotary_factor");
  if (!embedding || !heads || *heads == 0 || !part) return std::nullopt;
  const uint64_t head_dim = *embedding / *heads;
  return std::floor(*part * static_cast<double>(head_dim));
}
constexpr KeyRow kOwnKeys[] = {
    {"context_length", GgufType::U32, {"max_position_embeddings"}, {}, true},
    {"embedding_length", GgufType::U32, {"hidden_size"}, {}, true},
    {"block_count", GgufType::U32, {"num_hidden_layers"}, {}, true},
    {"feed_forward_length", GgufType::U32, {"intermediate_size"}, {}, true},
    {"rope.dimension_count", GgufType::U32, {}, rotated},
    {"attention.head_count", GgufType::U32, {"num_attention_heads"}, {}, true},
    {"attention.head_count_kv", GgufType::U32, {"num_key_value_heads"}},
    {"use_parallel_residual", GgufType::Bool, {"use_parallel_residual"}},
    {"attention.layer_norm_epsilon", GgufType::F32, {"layer_norm_eps", "norm_eps"}},
};
const std::span<const KeyRow> kKeys[] = {kOwnKeys};

constexpr TensorRow kHeadwiseNorms[] = {
    {"layers.{}.self_attn.q_layernorm.norms.{}", "blk.{}.attn_q_norm", Arrange::Stack},
    {"layers.{}.self_attn.k_layernorm.norms.{}", "blk.{}.attn_k_norm", Arrange::Stack},
};
const std::span<const TensorRow> kRows[] = {kEmbeddingRows, kAttentionRows, kPreNormRows,
                                            kFeedForwardRows, kHeadwiseNorms};

}  // namespace

Architecture stablelm_architecture() {
  return {.name = "stablelm",
          .classes = kClasses,
          .defaults = kDefaults,
          .keys = kKeys,
          .rows = kRows,
          .prefixes = kModelPrefixes,
          .needs_output = true};
}

}  // namespace stkit::gguf_export
