// Gemma 2: logits are capped, every other layer has a sliding window.
#include "gguf_export/arch/gemma_style.h"
#include "gguf_export/arch/llama_style.h"
#include "gguf_export/arch/registry.h"

namespace stkit::gguf_export {
namespace {

constexpr std::string_view kClasses[] = {"Gemma2ForCausalLM"};
constexpr ConfigDefault kDefaults[] = {
    {"num_attention_heads", 8},     {"num_key_value_heads", 4},        {"head_dim", 256},
    {"rms_norm_eps", 1e-6},         {"max_position_embeddings", 8192}, {"sliding_window", 4096},
    {"attn_logit_softcapping", 50}, {"final_logit_softcapping", 30},
};
constexpr KeyRow kOwnKeys[] = {
    {"attn_logit_softcapping", GgufType::F32, {"attn_logit_softcapping"}},
    {"final_logit_softcapping", GgufType::F32, {"final_logit_softcapping"}},
    {"attention.sliding_window", GgufType::U32, {"sliding_window"}},
};
const std::span<const KeyRow> kKeys[] = {kGemmaKeys, kOwnKeys};
const std::span<const TensorRow> kRows[] = {kEmbeddingRows, kAttentionRows, kSandwichNormRows,
                                            kFeedForwardRows};

}  // namespace

Architecture gemma2_architecture() {
  return {.name = "gemma2",
          .classes = kClasses,
          .defaults = kDefaults,
          .keys = kKeys,
          .rows = kRows,
          .prefixes = kModelPrefixes,
          .vocabulary = VocabularyChoice::SentencePiece,
          .add_space_prefix = false,
          .caveat = query_scale_caveat,
          .norm_shift = 1,
          .drops_output = true};
}

}  // namespace stkit::gguf_export
