#include "model/layers.h"

#include <charconv>

namespace stkit {
namespace {

struct RoleWord {
  std::string_view word;
  TensorRole role;
};

// The first word that a name holds decides: a norm inside of attention is a norm, the experts' gate
// is an expert.
constexpr RoleWord kRoleWords[] = {
    {"norm", TensorRole::Norm},
    {"ln_", TensorRole::Norm},
    {"experts", TensorRole::Experts},
    {"block_sparse_moe", TensorRole::Experts},
    {"attn", TensorRole::Attention},
    {"attention", TensorRole::Attention},
    {"q_proj", TensorRole::Attention},
    {"k_proj", TensorRole::Attention},
    {"v_proj", TensorRole::Attention},
    {"o_proj", TensorRole::Attention},
    {"query_key_value", TensorRole::Attention},
    {"qkv", TensorRole::Attention},
    {"mlp", TensorRole::Mlp},
    {"ffn", TensorRole::Mlp},
    {"feed_forward", TensorRole::Mlp},
    {"up_proj", TensorRole::Mlp},
    {"down_proj", TensorRole::Mlp},
    {"gate_proj", TensorRole::Mlp},
    {"fc1", TensorRole::Mlp},
    {"fc2", TensorRole::Mlp},
    {"intermediate.dense", TensorRole::Mlp},
    {"output.dense", TensorRole::Mlp},
    {"lm_head", TensorRole::Head},
    {"embed_out", TensorRole::Head},
    {"classifier", TensorRole::Head},
    {"score.", TensorRole::Head},
    {"embed", TensorRole::Embedding},
    {"embd", TensorRole::Embedding},
    {"wte", TensorRole::Embedding},
    {"wpe", TensorRole::Embedding},
};

}  // namespace

std::string_view name(TensorRole role) {
  constexpr std::string_view kNames[kTensorRoles] = {"attention", "mlp",  "experts", "norm",
                                                     "embedding", "head", "other"};
  return kNames[static_cast<size_t>(role)];
}

TensorRole role_of(std::string_view tensor) {
  for (const RoleWord& row : kRoleWords)
    if (tensor.find(row.word) != tensor.npos) return row.role;
  return TensorRole::Other;
}

LayerPlace place_of(std::string_view tensor) {
  for (size_t begin = 0; begin < tensor.size();) {
    const size_t end = std::min(tensor.find('.', begin), tensor.size());
    const char* last = tensor.data() + end;
    uint64_t layer = 0;
    const auto [stop, error] = std::from_chars(tensor.data() + begin, last, layer);
    if (end > begin && stop == last && error == std::errc{} && begin > 0 && end < tensor.size())
      return {tensor.substr(0, begin - 1), layer, tensor.substr(end + 1)};
    begin = end + 1;
  }
  return {{}, 0, tensor};
}

}  // namespace stkit
