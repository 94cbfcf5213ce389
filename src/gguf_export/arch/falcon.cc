// Falcon 7B, 40B and 180B. Queries, keys and values are interleaved by group.
#include "gguf_export/arch/registry.h"
#include "gguf_export/metadata_builder.h"

namespace stkit::gguf_export {
namespace {

constexpr std::string_view kClasses[] = {"FalconForCausalLM", "RWForCausalLM"};
constexpr ConfigDefault kDefaults[] = {{"layer_norm_epsilon", 1e-5}};

constexpr double kContext = 2048;  // no configuration says it

std::optional<double> context(const HyperParameters&) { return kContext; }
std::optional<double> feed_forward(const HyperParameters& config) {
  const auto embedding = config.number("hidden_size");
  return embedding ? std::optional(4 * *embedding) : std::nullopt;
}
std::optional<double> kv_heads(const HyperParameters& config) {
  const auto heads = config.kv_heads();
  return heads ? std::optional(static_cast<double>(*heads)) : std::nullopt;
}
constexpr KeyRow kOwnKeys[] = {
    {"context_length", GgufType::U32, {}, context},
    {"embedding_length", GgufType::U32, {"hidden_size"}, {}, true},
    {"feed_forward_length", GgufType::U32, {}, feed_forward},
    {"block_count", GgufType::U32, {"num_hidden_layers", "n_layer"}, {}, true},
    {"attention.head_count", GgufType::U32, {"num_attention_heads", "n_head"}, {}, true},
    {"attention.head_count_kv", GgufType::U32, {}, kv_heads},
    {"attention.layer_norm_epsilon", GgufType::F32, {"layer_norm_epsilon"}},
};
const std::span<const KeyRow> kKeys[] = {kOwnKeys};

// The name that the loader has for this order of queries, keys and values.
void more_keys(const HyperParameters&, MetadataBuilder& out) {
  out.set_text(out.arch_key("tensor_data_layout"), "jploski");
}

constexpr TensorRow kOwnRows[] = {
    {"word_embeddings", "token_embd"},
    {"ln_f", "output_norm"},
    {"lm_head", "output"},
    {"h.{}.input_layernorm", "blk.{}.attn_norm"},
    {"h.{}.ln_mlp", "blk.{}.attn_norm"},
    {"h.{}.ln_attn", "blk.{}.attn_norm_2"},
    {"h.{}.self_attention.query_key_value", "blk.{}.attn_qkv", Arrange::GroupsToQkv},
    {"h.{}.self_attention.dense", "blk.{}.attn_output"},
    {"h.{}.mlp.dense_h_to_4h", "blk.{}.ffn_up"},
    {"h.{}.mlp.dense_4h_to_h", "blk.{}.ffn_down"},
};
const std::span<const TensorRow> kRows[] = {kOwnRows};
constexpr std::string_view kPrefixes[] = {"transformer."};

}  // namespace

Architecture falcon_architecture() {
  return {.name = "falcon",
          .classes = kClasses,
          .defaults = kDefaults,
          .keys = kKeys,
          .rows = kRows,
          .prefixes = kPrefixes,
          .more_keys = more_keys};
}

}  // namespace stkit::gguf_export
