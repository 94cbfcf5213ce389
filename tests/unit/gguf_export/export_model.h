// Small published models, with everything that exporting looks at.
#pragma once

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "formats/gguf_value.h"
#include "gguf_export/element_reader.h"
#include "gguf_export/export_plan.h"
#include "support/model_builder.h"
#include "support/temp_dir.h"

namespace stkit::gguf_export {

inline constexpr std::string_view kLlamaConfig = R"({
  "architectures": ["LlamaForCausalLM"], "hidden_size": 8, "intermediate_size": 12,
  "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1, "vocab_size": 6,
  "max_position_embeddings": 64, "rms_norm_eps": 1e-5})";

// Six tokens, the last of which no text has.
inline constexpr std::string_view kByteLevelTokenizer = R"({
  "added_tokens": [{"id": 4, "content": "<|end|>", "special": true}],
  "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true},
  "post_processor": {"type": "ByteLevel"},
  "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2, "Ġ": 3}, "merges": [["a", "b"]]}})";

// Tensors of a llama-like model with those sizes; `edit` may leave some out or add others.
inline test::ModelBuilder llama_builder() {
  test::ModelBuilder builder;
  builder.tensor("model.embed_tokens.weight", DType::BF16, {6, 8});
  builder.tensor("model.norm.weight", DType::BF16, {8});
  builder.tensor("lm_head.weight", DType::BF16, {6, 8});
  for (int layer = 0; layer < 2; ++layer) {
    const std::string prefix = "model.layers." + std::to_string(layer) + ".";
    builder.tensor(prefix + "self_attn.q_proj.weight", DType::BF16, {8, 8});
    builder.tensor(prefix + "self_attn.k_proj.weight", DType::BF16, {4, 8});
    builder.tensor(prefix + "self_attn.v_proj.weight", DType::BF16, {4, 8});
    builder.tensor(prefix + "self_attn.o_proj.weight", DType::BF16, {8, 8});
    builder.tensor(prefix + "mlp.gate_proj.weight", DType::BF16, {12, 8});
    builder.tensor(prefix + "mlp.up_proj.weight", DType::BF16, {12, 8});
    builder.tensor(prefix + "mlp.down_proj.weight", DType::BF16, {8, 12});
    builder.tensor(prefix + "input_layernorm.weight", DType::BF16, {8});
    builder.tensor(prefix + "post_attention_layernorm.weight", DType::BF16, {8});
  }
  return builder;
}

// A folder with a model in it.
class ExportModel {
 public:
  ExportModel(test::ModelBuilder builder, std::string_view config) {
    builder.config(std::string(config)).write(dir_.path());
    file("tokenizer.json", kByteLevelTokenizer);
  }
  ExportModel& file(std::string_view name, std::string_view content) {
    test::write_file(dir_ / name, content);
    return *this;
  }
  ExportModel& without(std::string_view name) {
    std::filesystem::remove(dir_ / name);
    return *this;
  }
  const Model& model() {
    if (!model_) model_.emplace(*Model::open(dir_.path().string()));
    return *model_;
  }
  Result<ExportPlan> plan(const ExportOptions& options = {}) {
    return plan_export(model(), options);
  }

 private:
  test::TempDir dir_;
  std::optional<Model> model_;
};

inline std::vector<float> elements(const Model& model, const ElementSource& source) {
  const ElementReader reader = *ElementReader::open(model, source);
  std::vector<float> values(reader.element_count());
  EXPECT_TRUE(reader.read(0, values.size(), values));
  return values;
}

inline const ExportTensor* find_tensor(const ExportPlan& plan, std::string_view name) {
  for (const ExportTensor& tensor : plan.tensors)
    if (tensor.name == name) return &tensor;
  return nullptr;
}

inline std::string text_key(const ExportPlan& plan, std::string_view key) {
  return std::string(as_string(find(plan.metadata.entries(), key)).value_or("(none)"));
}
inline std::optional<uint64_t> uint_key(const ExportPlan& plan, std::string_view key) {
  return as_uint(find(plan.metadata.entries(), key));
}
inline std::optional<bool> flag_key(const ExportPlan& plan, std::string_view key) {
  return as_bool(find(plan.metadata.entries(), key));
}
inline std::vector<std::string> texts_key(const ExportPlan& plan, std::string_view key) {
  const GgufArray* array = as_array(find(plan.metadata.entries(), key), GgufType::String);
  if (array == nullptr) return {};
  return {array->strings.begin(), array->strings.end()};
}
template <class T>
std::vector<T> numbers_key(const ExportPlan& plan, std::string_view key) {
  const GgufArray* array = as_array(find(plan.metadata.entries(), key), gguf_type_of<T>());
  std::vector<T> numbers;
  for (size_t i = 0; array != nullptr && i < array->size(); ++i)
    numbers.push_back(array->template number<T>(i));
  return numbers;
}

}  // namespace stkit::gguf_export
