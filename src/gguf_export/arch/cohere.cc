// Command-R and Aya (command-r), Command R7B and A (cohere2). Attention and feed-forward share a
// norm; the embedding is the output.
#include <cmath>

#include "gguf_export/arch/llama_style.h"
#include "gguf_export/arch/registry.h"
#include "gguf_export/metadata_builder.h"

namespace stkit::gguf_export {
namespace {

constexpr std::string_view kClasses[] = {"CohereForCausalLM"};
constexpr std::string_view kClasses2[] = {"Cohere2ForCausalLM"};
constexpr ConfigDefault kDefaults[] = {
    {"num_key_value_heads", 0, same_as_heads},
    {"layer_norm_eps", 1e-5},
    {"max_position_embeddings", 8192},
    {"logit_scale", 0.0625},
    {"rope_theta", 500000},
};
constexpr ConfigDefault kDefaults2[] = {
    {"num_key_value_heads", 0, same_as_heads},
    {"head_dim", 0, computed_head_dim},
    {"layer_norm_eps", 1e-5},
    {"max_position_embeddings", 8192},
    {"logit_scale", 0.0625},
    {"rope_theta", 10000},
    {"sliding_window", 4096},
    {"rotary_pct", 1},
};

constexpr KeyRow kOwnKeys[] = {
    // The models were trained on more than their positions say.
    {"context_length", GgufType::U32, {"model_max_length", "max_position_embeddings"}, {}, true},
    {"logit_scale", GgufType::F32, {"logit_scale"}},
};
std::optional<double> rotated(const HyperParameters& config) {
  const auto dim = computed_head_dim(config), part = config.number("rotary_pct");
  return dim && part ? std::optional(std::floor(*part * *dim)) : std::nullopt;
}
constexpr KeyRow kOwnKeys2[] = {
    {"logit_scale", GgufType::F32, {"logit_scale"}},
    {"attention.sliding_window", GgufType::U32, {"sliding_window"}},
    {"vocab_size", GgufType::U32, {"vocab_size"}},
    {"rope.dimension_count", GgufType::U32, {}, rotated},
};
const std::span<const KeyRow> kKeys[] = {kBaseKeys, kOwnKeys};
const std::span<const KeyRow> kKeys2[] = {kBaseKeys, kOwnKeys2};

void more_keys(const HyperParameters& config, MetadataBuilder& out) {
  base_more_keys(config, out);
  out.set_text(out.arch_key("rope.scaling.type"), "none");
}

constexpr TensorRow kOwnRows[] = {{"layers.{}.input_layernorm", "blk.{}.attn_norm"}};
const std::span<const TensorRow> kRows[] = {kOwnRows, kEmbeddingRows, kAttentionRows, kHeadNormRows,
                                            kFeedForwardRows};

}  // namespace

Architecture command_r_architecture() {
  return {.name = "command-r",
          .classes = kClasses,
          .defaults = kDefaults,
          .keys = kKeys,
          .rows = kRows,
          .prefixes = kModelPrefixes,
          .more_keys = more_keys,
          .drops_output = true};
}

Architecture cohere2_architecture() {
  return {.name = "cohere2",
          .classes = kClasses2,
          .defaults = kDefaults2,
          .keys = kKeys2,
          .rows = kRows,
          .prefixes = kModelPrefixes,
          .more_keys = more_keys,
          .drops_output = true};
}

}  // namespace stkit::gguf_export
