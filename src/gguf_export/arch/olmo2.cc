// OLMo 2 and 3: norms behind both halves of a layer, and of all queries and keys at once.
#include "gguf_export/arch/llama_style.h"
#include "gguf_export/arch/registry.h"
#include "gguf_export/metadata_builder.h"

namespace stkit::gguf_export {
namespace {

constexpr std::string_view kClasses[] = {"Olmo2ForCausalLM", "Olmo3ForCausalLM"};
constexpr ConfigDefault kDefaults[] = {
    {"num_key_value_heads", 0, same_as_heads},
    {"rms_norm_eps", 1e-5},
    {"max_position_embeddings", 2048},
    {"rope_theta", 10000},
};

constexpr KeyRow kOwnKeys[] = {
    {"attention.sliding_window", GgufType::U32, {"sliding_window"}},
};
const std::span<const KeyRow> kKeys[] = {kBaseKeys, kOwnKeys};

// Where no types of layers are given, every fourth layer of OLMo 3 sees everything.
void more_keys(const HyperParameters& config, MetadataBuilder& out) {
  base_more_keys(config, out);
  if (!config.number("sliding_window")) return;
  std::vector<uint8_t> pattern;
  if (const JsonValue* types = config.field("layer_types"))
    for (const JsonValue& type : types->elements())
      pattern.push_back(type.as_string() == "sliding_attention");
  else
    for (uint64_t layer = 0; layer < config.layers().value_or(0); ++layer)
      pattern.push_back((layer + 1) % 4 != 0);
  out.set_flags(out.arch_key("attention.sliding_window_pattern"), pattern);
}

constexpr TensorRow kPostNorms[] = {
    {"layers.{}.post_attention_layernorm", "blk.{}.post_attention_norm"},
    {"layers.{}.post_feedforward_layernorm", "blk.{}.post_ffw_norm"},
};
const std::span<const TensorRow> kRows[] = {kEmbeddingRows, kAttentionRows, kHeadNormRows,
                                            kPostNorms, kFeedForwardRows};

}  // namespace

Architecture olmo2_architecture() {
  return {.name = "olmo2",
          .classes = kClasses,
          .defaults = kDefaults,
          .keys = kKeys,
          .rows = kRows,
          .prefixes = kModelPrefixes,
          .more_keys = more_keys,
          .needs_output = true};
}

}  // namespace stkit::gguf_export
