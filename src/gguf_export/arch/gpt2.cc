// GPT-2. Its linear layers are stored transposed (Conv1D).
#include "gguf_export/arch/llama_style.h"
#include "gguf_export/arch/registry.h"

namespace stkit::gguf_export {
namespace {

constexpr std::string_view kClasses[] = {"GPT2LMHeadModel"};
constexpr ConfigDefault kDefaults[] = {
    {"n_positions", 1024},        {"n_embd", 768}, {"n_layer", 12}, {"n_head", 12},
    {"layer_norm_epsilon", 1e-5},
};

std::optional<double> feed_forward(const HyperParameters& config) {
  if (const auto inner = config.number("n_inner")) return inner;
  const auto embedding = config.number("n_embd");
  return embedding ? std::optional(4 * *embedding) : std::nullopt;
}
constexpr KeyRow kOwnKeys[] = {
    {"block_count", GgufType::U32, {"n_layer"}, {}, true},
    {"context_length", GgufType::U32, {"n_ctx", "n_positions"}, {}, true},
    {"embedding_length", GgufType::U32, {"n_embd"}, {}, true},
    {"feed_forward_length", GgufType::U32, {}, feed_forward},
    {"attention.head_count", GgufType::U32, {"n_head"}, {}, true},
    {"attention.layer_norm_epsilon", GgufType::F32, {"layer_norm_epsilon"}},
};
const std::span<const KeyRow> kKeys[] = {kOwnKeys};

constexpr TensorRow kOwnRows[] = {
    {"wte", "token_embd"},
    {"wpe", "position_embd"},
    {"ln_f", "output_norm"},
    {"lm_head", "output"},
    {"h.{}.ln_1", "blk.{}.attn_norm"},
    {"h.{}.ln_2", "blk.{}.ffn_norm"},
    {"h.{}.attn.c_attn.weight", "blk.{}.attn_qkv.weight", Arrange::Transpose},
    {"h.{}.attn.c_attn.bias", "blk.{}.attn_qkv.bias"},
    {"h.{}.attn.c_proj.weight", "blk.{}.attn_output.weight", Arrange::Transpose},
    {"h.{}.attn.c_proj.bias", "blk.{}.attn_output.bias"},
    {"h.{}.mlp.c_fc.weight", "blk.{}.ffn_up.weight", Arrange::Transpose},
    {"h.{}.mlp.c_fc.bias", "blk.{}.ffn_up.bias"},
    {"h.{}.mlp.c_proj.weight", "blk.{}.ffn_down.weight", Arrange::Transpose},
    {"h.{}.mlp.c_proj.bias", "blk.{}.ffn_down.bias"},
    {"h.{}.attn.bias", ""},  // the causal mask
    {"h.{}.attn.masked_bias", ""},
};
const std::span<const TensorRow> kRows[] = {kOwnRows};
constexpr std::string_view kPrefixes[] = {"transformer."};

}  // namespace

Architecture gpt2_architecture() {
  return {.name = "gpt2",
          .classes = kClasses,
          .defaults = kDefaults,
          .keys = kKeys,
          .rows = kRows,
          .prefixes = kPrefixes};
}

}  // namespace stkit::gguf_export
