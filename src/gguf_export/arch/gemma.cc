// Gemma 1. The loader knows its rotation, so no key says it.
#include "gguf_export/arch/gemma_style.h"
#include "gguf_export/arch/llama_style.h"
#include "gguf_export/arch/registry.h"

namespace stkit::gguf_export {
namespace {

constexpr std::string_view kClasses[] = {"GemmaForCausalLM"};
constexpr ConfigDefault kDefaults[] = {
    {"num_key_value_heads", 16},
    {"head_dim", 256},
    {"rms_norm_eps", 1e-6},
    {"max_position_embeddings", 8192},
};
const std::span<const KeyRow> kKeys[] = {kGemmaKeys};
const std::span<const TensorRow> kRows[] = {kEmbeddingRows, kAttentionRows, kPreNormRows,
                                            kFeedForwardRows};

}  // namespace

Architecture gemma_architecture() {
  return {.name = "gemma",
          .classes = kClasses,
          .defaults = kDefaults,
          .keys = kKeys,
          .rows = kRows,
          .prefixes = kModelPrefixes,
          .vocabulary = VocabularyChoice::SentencePiece,
          .add_space_prefix = false,
          .norm_shift = 1,
          .drops_output = true};
}

}  // namespace stkit::gguf_export
