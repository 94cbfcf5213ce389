// Gemma 3, the text model of it. That five of six layers have a sliding window is the loader's
// default, so only the window's size is written.
#include "gguf_export/arch/gemma_style.h"
#include "gguf_export/arch/llama_style.h"
#include "gguf_export/arch/registry.h"

namespace stkit::gguf_export {
namespace {

constexpr std::string_view kClasses[] = {"Gemma3ForCausalLM", "Gemma3ForConditionalGeneration"};
// The configurations of the larger models leave out most of these.
constexpr ConfigDefault kDefaults[] = {
    {"hidden_size", 2304},      {"intermediate_size", 9216},         {"num_hidden_layers", 26},
    {"num_attention_heads", 8}, {"num_key_value_heads", 4},          {"head_dim", 256},
    {"rms_norm_eps", 1e-6},     {"max_position_embeddings", 131072}, {"sliding_window", 4096},
    {"rope_theta", 1e6},        {"rope_local_base_freq", 10000},     {"vocab_size", 262208},
};

std::optional<double> capping(const HyperParameters& config) {
  const auto cap = config.number("final_logit_softcapping");
  return cap && *cap != 0 ? cap : std::nullopt;
}
std::optional<double> window(const HyperParameters& config) {
  if (config.number("sliding_window_pattern") == 1) return std::nullopt;
  return config.number("sliding_window");
}
constexpr KeyRow kOwnKeys[] = {
    {"final_logit_softcapping", GgufType::F32, {}, capping},
    {"attention.sliding_window", GgufType::U32, {}, window},
};
const std::span<const KeyRow> kKeys[] = {kBaseKeys, kOwnKeys};
const std::span<const TensorRow> kRows[] = {kEmbeddingRows, kAttentionRows, kHeadNormRows,
                                            kSandwichNormRows, kFeedForwardRows};

}  // namespace

Architecture gemma3_architecture() {
  return {.name = "gemma3",
          .classes = kClasses,
          .defaults = kDefaults,
          .keys = kKeys,
          .rows = kRows,
          .prefixes = kModelPrefixes,
          .more_keys = base_more_keys,
          .vocabulary = VocabularyChoice::SentencePiece,
          .add_space_prefix = false,
          .caveat = query_scale_caveat,
          .norm_shift = 1};
}

}  // namespace stkit::gguf_export
