#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_reader.h"
#include "stkit/inspect.h"
#include "stkit/json.h"
#include "support/model_builder.h"
#include "support/temp_dir.h"

namespace stkit::test {

inline Model open_model(const std::filesystem::path& path) {
  auto model = Model::open(path.string());
  if (!model) throw std::runtime_error(model.error().message);
  return std::move(*model);
}

inline InspectReport inspected(const Model& model) {
  auto report = inspect(model);
  if (!report) throw std::runtime_error(report.error().message);
  return std::move(*report);
}

inline JsonValue parsed(std::string_view text) {
  auto value = JsonValue::parse(text);
  if (!value) throw std::runtime_error(value.error().message);
  return std::move(*value);
}

inline std::vector<std::string> keys(const JsonValue& object) {
  std::vector<std::string> names;
  for (const auto& [key, value] : object.members()) names.push_back(key);
  return names;
}

// The little-endian bytes of `values`.
template <class T>
std::string bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

// A text model small enough to compute by hand: 2 layers, 256 wide, in bf16.
inline ModelBuilder small_model() {
  ModelBuilder builder;
  builder.config(R"({"architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3",
    "num_hidden_layers": 2, "hidden_size": 256, "num_attention_heads": 4,
    "num_key_value_heads": 2, "vocab_size": 32, "max_position_embeddings": 4096})");
  builder.metadata("format", "pt");
  builder.tensor("model.embed_tokens.weight", DType::BF16, {32, 256});
  for (const char* layer : {"0", "1"}) {
    const std::string prefix = std::string("model.layers.") + layer;
    builder.tensor(prefix + ".self_attn.q_proj.weight", DType::BF16, {256, 256});
    builder.tensor(prefix + ".mlp.down_proj.weight", DType::BF16, {256, 96});
    builder.tensor(prefix + ".input_layernorm.weight", DType::F32, {256});
  }
  return builder;
}
inline constexpr uint64_t kSmallModelParameters = 32 * 256 + 2 * (256 * 256 + 256 * 96 + 256);
inline constexpr uint64_t kSmallModelBytes = 2 * kSmallModelParameters + 2 * 2 * 256;

}  // namespace stkit::test
