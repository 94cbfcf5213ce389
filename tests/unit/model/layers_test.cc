#include "model/layers.h"

#include <gtest/gtest.h>

namespace stkit {
namespace {

TEST(Layers, PlaceIsTheFirstNumberOfAName) {
  const struct {
    std::string_view name, stack;
    uint64_t layer;
    std::string_view part;
  } cases[] = {
      {"model.layers.3.mlp.up_proj.weight", "model.layers", 3, "mlp.up_proj.weight"},
      {"model.layers.12.mlp.experts.7.w1.weight", "model.layers", 12, "mlp.experts.7.w1.weight"},
      {"h.0.ln_1.weight", "h", 0, "ln_1.weight"},
      {"lm_head.weight", "", 0, "lm_head.weight"},
      {"0.weight", "", 0, "0.weight"},
      {"layers.3", "", 0, "layers.3"},
      {"conv2d.weight", "", 0, "conv2d.weight"},
      {"a.99999999999999999999.w", "", 0, "a.99999999999999999999.w"},
      {"a.-1.w", "", 0, "a.-1.w"},
      {"a..1.w", "a.", 1, "w"},
      {"", "", 0, ""},
      {"...", "", 0, "..."},
  };
  for (const auto& row : cases) {
    const LayerPlace place = place_of(row.name);
    EXPECT_EQ(place.stack, row.stack) << row.name;
    EXPECT_EQ(place.layer, row.layer) << row.name;
    EXPECT_EQ(place.part, row.part) << row.name;
  }
}

TEST(Layers, RolesOfUsualNames) {
  const struct {
    std::string_view name;
    TensorRole role;
  } cases[] = {
      {"model.embed_tokens.weight", TensorRole::Embedding},
      {"transformer.wte.weight", TensorRole::Embedding},
      {"model.layers.0.self_attn.q_proj.weight", TensorRole::Attention},
      {"model.layers.0.self_attn.q_norm.weight", TensorRole::Norm},
      {"model.layers.0.input_layernorm.weight", TensorRole::Norm},
      {"model.layers.0.mlp.gate_proj.weight", TensorRole::Mlp},
      {"model.layers.0.mlp.experts.5.up_proj.weight", TensorRole::Experts},
      {"bert.encoder.layer.0.attention.self.query.weight", TensorRole::Attention},
      {"bert.encoder.layer.0.intermediate.dense.weight", TensorRole::Mlp},
      {"lm_head.weight", TensorRole::Head},
      {"conv_in.weight", TensorRole::Other},
  };
  for (const auto& row : cases) EXPECT_EQ(name(role_of(row.name)), name(row.role)) << row.name;
}

}  // namespace
}  // namespace stkit
