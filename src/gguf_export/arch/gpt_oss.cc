// gpt-oss, with plain experts or with those of 4 bits as they were published. Gate and up are
// interleaved, and plain experts are stored transposed.
#include "gguf_export/arch/llama_style.h"
#include "gguf_export/arch/registry.h"

namespace stkit::gguf_export {
namespace {

constexpr std::string_view kClasses[] = {"GptOssForCausalLM"};
constexpr ConfigDefault kDefaults[] = {
    {"num_key_value_heads", 8},          {"head_dim", 64},        {"rms_norm_eps", 1e-5},
    {"max_position_embeddings", 131072}, {"sliding_window", 128}, {"num_local_experts", 128},
    {"num_experts_per_tok", 4},          {"rope_theta", 150000},
};
constexpr KeyRow kOwnKeys[] = {
    {"attention.sliding_window", GgufType::U32, {"sliding_window"}},
    {"expert_feed_forward_length", GgufType::U32, {"intermediate_size"}},
};
const std::span<const KeyRow> kKeys[] = {kBaseKeys, kOwnKeys};

constexpr TensorRow kOwnRows[] = {
    {"layers.{}.input_layernorm", "blk.{}.attn_norm"},
    {"layers.{}.post_attention_layernorm", "blk.{}.post_attention_norm"},
    {"layers.{}.self_attn.sinks", "blk.{}.attn_sinks"},
    {"layers.{}.mlp.router", "blk.{}.ffn_gate_inp"},
    {"layers.{}.mlp.experts.gate_up_proj", "blk.{}.ffn_gate_exps", Arrange::EvenColumns},
    {"layers.{}.mlp.experts.gate_up_proj", "blk.{}.ffn_up_exps", Arrange::OddColumns},
    {"layers.{}.mlp.experts.gate_up_proj_bias", "blk.{}.ffn_gate_exps.bias", Arrange::EvenRows},
    {"layers.{}.mlp.experts.gate_up_proj_bias", "blk.{}.ffn_up_exps.bias", Arrange::OddRows},
    {"layers.{}.mlp.experts.down_proj", "blk.{}.ffn_down_exps", Arrange::Transpose},
    {"layers.{}.mlp.experts.gate_up_proj_blocks", "blk.{}.ffn_gate_exps", Arrange::PackedEvenRows},
    {"layers.{}.mlp.experts.gate_up_proj_blocks", "blk.{}.ffn_up_exps", Arrange::PackedOddRows},
    {"layers.{}.mlp.experts.gate_up_proj_scales", ""},
    {"layers.{}.mlp.experts.down_proj_blocks", "blk.{}.ffn_down_exps", Arrange::Packed},
    {"layers.{}.mlp.experts.down_proj_scales", ""},
    {"layers.{}.mlp.experts.down_proj_bias", "blk.{}.ffn_down_exps.bias"},
};
const std::span<const TensorRow> kRows[] = {kOwnRows, kEmbeddingRows, kAttentionRows};

}  // namespace

Architecture gpt_oss_architecture() {
  return {.name = "gpt-oss",
          .classes = kClasses,
          .defaults = kDefaults,
          .keys = kKeys,
          .rows = kRows,
          .prefixes = kModelPrefixes,
          .more_keys = base_more_keys};
}

}  // namespace stkit::gguf_export
