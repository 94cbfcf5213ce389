// Where in a network a tensor belongs, as far as its name says.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace stkit {

enum class TensorRole : uint8_t { Attention, Mlp, Experts, Norm, Embedding, Head, Other };
inline constexpr size_t kTensorRoles = static_cast<size_t>(TensorRole::Other) + 1;
std::string_view name(TensorRole role);  // "attention"

TensorRole role_of(std::string_view tensor);

// "model.layers.3.mlp.up_proj.weight" is layer 3 of stack "model.layers", part
// "mlp.up_proj.weight".
struct LayerPlace {
  std::string_view stack;
  uint64_t layer = 0;
  std::string_view part;
};

// By the first component that is a number; an empty stack where there is none.
LayerPlace place_of(std::string_view tensor);

}  // namespace stkit
