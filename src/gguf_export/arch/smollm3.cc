// SmolLM3. Which layers do without rotation is known to the loader.
#include "gguf_export/arch/llama_style.h"
#include "gguf_export/arch/registry.h"

namespace stkit::gguf_export {
namespace {

constexpr std::string_view kClasses[] = {"SmolLM3ForCausalLM"};
constexpr ConfigDefault kDefaults[] = {
    {"num_key_value_heads", 4}, {"rms_norm_eps", 1e-6}, {"max_position_embeddings", 32768},
    {"rope_theta", 2e6},        {"vocab_size", 128256},
};

const std::span<const KeyRow> kKeys[] = {kBaseKeys, kRotationKeys};
const std::span<const TensorRow> kRows[] = {kEmbeddingRows, kRotaryPairRows, kPreNormRows,
                                            kFeedForwardRows};

}  // namespace

Architecture smollm3_architecture() {
  return {.name = "smollm3",
          .classes = kClasses,
          .defaults = kDefaults,
          .keys = kKeys,
          .rows = kRows,
          .prefixes = kModelPrefixes,
          .generated = kLlama3Generated,
          .more_keys = base_more_keys,
          .vocabulary = VocabularyChoice::SentencePiece};
}

}  // namespace stkit::gguf_export
