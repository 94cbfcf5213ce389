// Granite 3: a Llama whose sums and logits are scaled. It has no head size of its own.
#include "gguf_export/arch/llama_style.h"
#include "gguf_export/arch/registry.h"

namespace stkit::gguf_export {
namespace {

constexpr std::string_view kClasses[] = {"GraniteForCausalLM"};
constexpr ConfigDefault kDefaults[] = {
    {"num_key_value_heads", 0, same_as_heads},
    {"rms_norm_eps", 1e-6},
    {"max_position_embeddings", 2048},
    {"rope_theta", 10000},
    {"vocab_size", 32000},
    {"attention_multiplier", 1},
    {"embedding_multiplier", 1},
    {"residual_multiplier", 1},
    {"logits_scaling", 1},
};

// 0 stands for no scaling.
template <const std::string_view& kField>
std::optional<double> scale(const HyperParameters& config) {
  const auto value = config.number(kField);
  return value && *value != 0 ? value : std::nullopt;
}
constexpr std::string_view kAttention = "attention_multiplier";
constexpr std::string_view kEmbedding = "embedding_multiplier";
constexpr std::string_view kResidual = "residual_multiplier";
constexpr std::string_view kLogits = "logits_scaling";

std::optional<double> nothing(const HyperParameters&) { return std::nullopt; }

constexpr KeyRow kOwnKeys[] = {
    {"vocab_size", GgufType::U32, {"vocab_size"}},
    {"rope.dimension_count", GgufType::U32, {}, computed_head_dim},
    {"attention.key_length", GgufType::U32, {}, nothing},
    {"attention.value_length", GgufType::U32, {}, nothing},
    {"attention.scale", GgufType::F32, {}, scale<kAttention>},
    {"embedding_scale", GgufType::F32, {}, scale<kEmbedding>},
    {"residual_scale", GgufType::F32, {}, scale<kResidual>},
    {"logit_scale", GgufType::F32, {}, scale<kLogits>},
};
const std::span<const KeyRow> kKeys[] = {kBaseKeys, kOwnKeys};
const std::span<const TensorRow> kRows[] = {kEmbeddingRows, kRotaryPairRows, kPreNormRows,
                                            kFeedForwardRows};

}  // namespace

Architecture granite_architecture() {
  return {.name = "granite",
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
