// Qwen 1.5, 2 and 2.5, QwQ, DeepSeek's distillations into Qwen; and the mixtures of experts.
#include "gguf_export/arch/llama_style.h"
#include "gguf_export/arch/registry.h"

namespace stkit::gguf_export {
namespace {

constexpr std::string_view kClasses[] = {"Qwen2ForCausalLM", "Qwen2Model"};
constexpr std::string_view kMoeClasses[] = {"Qwen2MoeForCausalLM"};

constexpr ConfigDefault kDefaults[] = {
    {"num_key_value_heads", 32},
    {"rms_norm_eps", 1e-6},
    {"max_position_embeddings", 32768},
    {"rope_theta", 10000},
};
constexpr ConfigDefault kMoeDefaults[] = {
    {"num_key_value_heads", 16},
    {"rms_norm_eps", 1e-6},
    {"max_position_embeddings", 32768},
    {"rope_theta", 10000},
    {"num_experts", 60},
    {"num_experts_per_tok", 4},
    {"moe_intermediate_size", 1408},
    {"shared_expert_intermediate_size", 5632},
};

constexpr KeyRow kMoeKeys[] = {
    {"expert_feed_forward_length", GgufType::U32, {"moe_intermediate_size"}},
    {"expert_shared_feed_forward_length", GgufType::U32, {"shared_expert_intermediate_size"}},
};
const std::span<const KeyRow> kKeys[] = {kBaseKeys};
const std::span<const KeyRow> kAllMoeKeys[] = {kBaseKeys, kMoeKeys};

constexpr TensorRow kSharedExpert[] = {
    {"layers.{}.mlp.shared_expert.gate_proj", "blk.{}.ffn_gate_shexp"},
    {"layers.{}.mlp.shared_expert.up_proj", "blk.{}.ffn_up_shexp"},
    {"layers.{}.mlp.shared_expert.down_proj", "blk.{}.ffn_down_shexp"},
    {"layers.{}.mlp.shared_expert_gate", "blk.{}.ffn_gate_inp_shexp"},
};
const std::span<const TensorRow> kRows[] = {kEmbeddingRows, kAttentionRows, kPreNormRows,
                                            kFeedForwardRows};
const std::span<const TensorRow> kMoeRows[] = {kEmbeddingRows, kAttentionRows, kPreNormRows,
                                               kExpertRows,    kSharedExpert,  kFeedForwardRows};

}  // namespace

Architecture qwen2_architecture() {
  return {.name = "qwen2",
          .classes = kClasses,
          .defaults = kDefaults,
          .keys = kKeys,
          .rows = kRows,
          .prefixes = kModelPrefixes,
          .more_keys = base_more_keys,
          .vocabulary = VocabularyChoice::SentencePiece};
}

Architecture qwen2moe_architecture() {
  return {.name = "qwen2moe",
          .classes = kMoeClasses,
          .defaults = kMoeDefaults,
          .keys = kAllMoeKeys,
          .rows = kMoeRows,
          .prefixes = kModelPrefixes,
          .more_keys = base_more_keys};
}

}  // namespace stkit::gguf_export
