// Qwen 3, dense and mixtures of experts.
#include "gguf_export/arch/llama_style.h"
#include "gguf_export/arch/registry.h"

namespace stkit::gguf_export {
namespace {

constexpr std::string_view kClasses[] = {"Qwen3ForCausalLM", "Qwen3Model"};
constexpr std::string_view kMoeClasses[] = {"Qwen3MoeForCausalLM"};

constexpr ConfigDefault kDefaults[] = {
    {"num_key_value_heads", 32},        {"head_dim", 128},     {"rms_norm_eps", 1e-6},
    {"max_position_embeddings", 32768}, {"rope_theta", 10000},
};
constexpr ConfigDefault kMoeDefaults[] = {
    {"num_key_value_heads", 4},     {"rms_norm_eps", 1e-6}, {"max_position_embeddings", 32768},
    {"rope_theta", 10000},          {"num_experts", 128},   {"num_experts_per_tok", 8},
    {"moe_intermediate_size", 768},
};

constexpr KeyRow kMoeKeys[] = {
    {"expert_feed_forward_length", GgufType::U32, {"moe_intermediate_size"}},
};
const std::span<const KeyRow> kKeys[] = {kBaseKeys};
const std::span<const KeyRow> kAllMoeKeys[] = {kBaseKeys, kMoeKeys};

const std::span<const TensorRow> kRows[] = {kEmbeddingRows, kAttentionRows, kHeadNormRows,
                                            kPreNormRows, kFeedForwardRows};
const std::span<const TensorRow> kMoeRows[] = {kEmbeddingRows, kAttentionRows, kHeadNormRows,
                                               kPreNormRows,   kExpertRows,    kFeedForwardRows};

std::string expert_norm_caveat(const HyperParameters& config) {
  if (config.flag("norm_topk_prob") == true) return {};
  return "norm_topk_prob is not true, but llama.cpp computes with it for this architecture: it "
         "will "
         "compute other results";
}

}  // namespace

Architecture qwen3_architecture() {
  return {.name = "qwen3",
          .classes = kClasses,
          .defaults = kDefaults,
          .keys = kKeys,
          .rows = kRows,
          .prefixes = kModelPrefixes,
          .more_keys = base_more_keys,
          .vocabulary = VocabularyChoice::SentencePiece};
}

Architecture qwen3moe_architecture() {
  return {.name = "qwen3moe",
          .classes = kMoeClasses,
          .defaults = kMoeDefaults,
          .keys = kAllMoeKeys,
          .rows = kMoeRows,
          .prefixes = kModelPrefixes,
          .more_keys = base_more_keys,
          .caveat = expert_norm_caveat};
}

}  // namespace stkit::gguf_export
