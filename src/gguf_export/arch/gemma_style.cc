#include "gguf_export/arch/gemma_style.h"

#include <fmt/format.h>

#include <algorithm>

namespace stkit::gguf_export {
namespace {

constexpr KeyRow kKeys[] = {
    {"context_length", GgufType::U32, {"max_position_embeddings"}, {}, true},
    {"embedding_length", GgufType::U32, {"hidden_size"}, {}, true},
    {"block_count", GgufType::U32, {"num_hidden_layers"}, {}, true},
    {"feed_forward_length", GgufType::U32, {"intermediate_size"}, {}, true},
    {"attention.head_count", GgufType::U32, {"num_attention_heads"}, {}, true},
    {"attention.head_count_kv", GgufType::U32, {"num_key_value_heads"}},
    {"attention.layer_norm_rms_epsilon", GgufType::F32, {"rms_norm_eps"}},
    {"attention.key_length", GgufType::U32, {"head_dim"}},
    {"attention.value_length", GgufType::U32, {"head_dim"}},
};

constexpr TensorRow kSandwichNorms[] = {
    {"layers.{}.input_layernorm", "blk.{}.attn_norm"},
    {"layers.{}.post_attention_layernorm", "blk.{}.post_attention_norm"},
    {"layers.{}.pre_feedforward_layernorm", "blk.{}.ffn_norm"},
    {"layers.{}.post_feedforward_layernorm", "blk.{}.post_ffw_norm"},
};

}  // namespace

std::string query_scale_caveat(const HyperParameters& config) {
  // The 27Bs of both generations, by which llama.cpp knows them.
  constexpr uint64_t kLargeLayers[] = {46, 62};
  const bool is_large =
      std::ranges::find(kLargeLayers, config.layers().value_or(0)) != std::end(kLargeLayers);
  const auto size = config.embedding(), heads = config.heads();
  const auto scalar = config.number("query_pre_attn_scalar");
  const std::optional<uint64_t> used =
      is_large && size && heads && *heads > 0 ? std::optional(*size / *heads) : config.head_dim();
  if (!scalar || !used || *scalar == static_cast<double>(*used)) return {};
  return fmt::format(
      "query_pre_attn_scalar is {}, but llama.cpp scales by {} for a model of this shape: it will "
      "compute other results",
      *scalar, *used);
}

constinit const std::span<const KeyRow> kGemmaKeys = kKeys;
constinit const std::span<const TensorRow> kSandwichNormRows = kSandwichNorms;

}  // namespace stkit::gguf_export
