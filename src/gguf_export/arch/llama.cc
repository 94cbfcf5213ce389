// Llama 2 and 3, and what is built like them: Mistral, Mixtral, TinyLlama, SmolLM, Yi, DeepSeek's
// distillations.
#include "gguf_export/arch/llama_style.h"
#include "gguf_export/arch/registry.h"

namespace stkit::gguf_export {
namespace {

constexpr std::string_view kLlamaClasses[] = {"LlamaForCausalLM", "LLaMAForCausalLM", "LlamaModel"};
constexpr std::string_view kMistralClasses[] = {"MistralForCausalLM"};
constexpr std::string_view kMixtralClasses[] = {"MixtralForCausalLM"};

// What the classes of transformers 5.23 fill in.
constexpr ConfigDefault kLlamaDefaults[] = {
    {"head_dim", 0, computed_head_dim},
    {"num_key_value_heads", 0, same_as_heads},
    {"rms_norm_eps", 1e-6},
    {"max_position_embeddings", 2048},
    {"rope_theta", 10000},
    {"vocab_size", 32000},
};
constexpr ConfigDefault kMistralDefaults[] = {
    {"head_dim", 0, computed_head_dim},  {"num_key_value_heads", 8}, {"rms_norm_eps", 1e-6},
    {"max_position_embeddings", 131072}, {"rope_theta", 10000},      {"vocab_size", 32000},
};
constexpr ConfigDefault kMixtralDefaults[] = {
    {"num_key_value_heads", 8}, {"rms_norm_eps", 1e-5}, {"max_position_embeddings", 131072},
    {"rope_theta", 1e6},        {"vocab_size", 32000},  {"num_local_experts", 8},
    {"num_experts_per_tok", 2},
};

const std::span<const KeyRow> kKeys[] = {kBaseKeys, kRotationKeys};

constexpr TensorRow kMixtralExperts[] = {
    {"layers.{}.block_sparse_moe.gate", "blk.{}.ffn_gate_inp"},
    {"layers.{}.block_sparse_moe.experts.{}.w1", "blk.{}.ffn_gate_exps", Arrange::Stack},
    {"layers.{}.block_sparse_moe.experts.{}.w2", "blk.{}.ffn_down_exps", Arrange::Stack},
    {"layers.{}.block_sparse_moe.experts.{}.w3", "blk.{}.ffn_up_exps", Arrange::Stack},
};
const std::span<const TensorRow> kRows[] = {kEmbeddingRows,   kRotaryPairRows, kPreNormRows,
                                            kFeedForwardRows, kMixtralExperts, kExpertRows};

Architecture llama(std::span<const std::string_view> classes,
                   std::span<const ConfigDefault> defaults) {
  return {.name = "llama",
          .classes = classes,
          .defaults = defaults,
          .keys = kKeys,
          .rows = kRows,
          .prefixes = kModelPrefixes,
          .generated = kLlama3Generated,
          .more_keys = base_more_keys,
          .vocabulary = VocabularyChoice::SentencePiece};
}

}  // namespace

Architecture llama_architecture() { return llama(kLlamaClasses, kLlamaDefaults); }
Architecture mistral_architecture() { return llama(kMistralClasses, kMistralDefaults); }
Architecture mixtral_architecture() { return llama(kMixtralClasses, kMixtralDefaults); }

}  // namespace stkit::gguf_export
