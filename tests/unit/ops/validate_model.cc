#include "unit/ops/validate_model.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <stdexcept>

namespace stkit::test {

void TinyModel::add_layers(size_t count, std::string_view name, std::vector<uint64_t> shape,
                           DType dtype) {
  for (size_t layer = 0; layer < count; ++layer) {
    std::string whole(name);
    whole.replace(whole.find('%'), 1, std::to_string(layer));
    add(std::move(whole), shape, dtype);
  }
}

void TinyModel::write(const std::filesystem::path& folder) const {
  ModelBuilder builder;
  for (const auto& [name, tensor] : tensors) {
    if (tensor.data)
      builder.tensor(name, tensor.dtype, tensor.shape, *tensor.data);
    else
      builder.tensor(name, tensor.dtype, tensor.shape);
  }
  for (const auto& [key, value] : metadata) builder.metadata(key, value);
  std::vector<std::string> fields;
  for (const auto& [key, value] : config) fields.push_back(fmt::format("\"{}\": {}", key, value));
  if (!fields.empty()) builder.config(fmt::format("{{{}}}\n", fmt::join(fields, ", ")));
  builder.shards(shards).write(folder);
  for (const auto& [name, content] : files) write_file(folder / name, content);
}

std::string tokenizer_json(uint64_t tokens, const std::vector<std::string>& added) {
  std::vector<std::string> vocabulary, behind;
  for (uint64_t id = 0; id < tokens; ++id) vocabulary.push_back(fmt::format("\"t{}\": {}", id, id));
  for (size_t i = 0; i < added.size(); ++i)
    behind.push_back(
        fmt::format(R"({{"id": {}, "content": "{}", "special": true}})", tokens + i, added[i]));
  return fmt::format(R"({{"added_tokens": [{}], "model": {{"type": "BPE", "vocab": {{{}}}, )"
                     R"("merges": []}}}})",
                     fmt::join(behind, ", "), fmt::join(vocabulary, ", "));
}

void add_llama_tensors(TinyModel& model, size_t layers, const std::string& stack,
                       const std::string& outer) {
  model.add(outer + "embed_tokens.weight", {32, 8});
  model.add(outer + "norm.weight", {8});
  for (const char* norm : {"input_layernorm", "post_attention_layernorm"})
    model.add_layers(layers, fmt::format("{}%.{}.weight", stack, norm), {8});
  for (const char* square : {"q_proj", "o_proj"})
    model.add_layers(layers, fmt::format("{}%.self_attn.{}.weight", stack, square), {8, 8});
  for (const char* narrow : {"k_proj", "v_proj"})
    model.add_layers(layers, fmt::format("{}%.self_attn.{}.weight", stack, narrow), {4, 8});
  for (const char* wide : {"gate_proj", "up_proj"})
    model.add_layers(layers, fmt::format("{}%.mlp.{}.weight", stack, wide), {16, 8});
  model.add_layers(layers, stack + "%.mlp.down_proj.weight", {8, 16});
}

TinyModel llama() {
  TinyModel model;
  model.config = {{"architectures", R"(["LlamaForCausalLM"])"},
                  {"model_type", R"("llama")"},
                  {"hidden_size", "8"},
                  {"intermediate_size", "16"},
                  {"num_attention_heads", "2"},
                  {"num_key_value_heads", "1"},
                  {"num_hidden_layers", "4"},
                  {"vocab_size", "32"},
                  {"tie_word_embeddings", "false"},
                  {"torch_dtype", R"("bfloat16")"}};
  model.files = {{"tokenizer.json", tokenizer_json(30, {"<s>", "</s>"})},
                 {"tokenizer_config.json", R"({"tokenizer_class": "PreTrainedTokenizerFast"})"},
                 {"generation_config.json", R"({"eos_token_id": 2})"}};
  add_llama_tensors(model, 4, "model.layers.", "model.");
  model.add("lm_head.weight", {32, 8});
  return model;
}

ValidateReport run_validate(const std::filesystem::path& reference, const ValidateOptions& options,
                            const RunOptions& run) {
  auto report = validate(reference.string(), options, run);
  if (!report) throw std::runtime_error("validate failed: " + report.error().message);
  return std::move(*report);
}

std::string listing(const ValidateReport& report) {
  std::string text;
  for (const Finding& finding : report.findings)
    text += fmt::format("{} {} {}: {}\n", info(finding.check).id, name(finding.severity()),
                        finding.path, finding.message);
  return text;
}

const Finding* find(const ValidateReport& report, Check check) {
  const auto found = std::ranges::find(report.findings, check, &Finding::check);
  return found == report.findings.end() ? nullptr : &*found;
}

}  // namespace stkit::test
