#include "gguf_export/arch/registry.h"

#include <algorithm>
#include <vector>

namespace stkit::gguf_export {

std::span<const Architecture> architectures() {
  static const std::vector<Architecture> kAll = {
      llama_architecture(),     mistral_architecture(),  mixtral_architecture(),
      qwen2_architecture(),     qwen2moe_architecture(), qwen3_architecture(),
      qwen3moe_architecture(),  gemma_architecture(),    gemma2_architecture(),
      gemma3_architecture(),    phi3_architecture(),     gpt2_architecture(),
      gptneox_architecture(),   stablelm_architecture(), olmo2_architecture(),
      granite_architecture(),   smollm3_architecture(),  deepseek2_architecture(),
      deepseek3_architecture(), gpt_oss_architecture(),  glm4_architecture(),
      command_r_architecture(), cohere2_architecture(),  falcon_architecture(),
      bert_architecture(),
  };
  return kAll;
}

const Architecture* find_architecture(std::string_view class_name) {
  for (const Architecture& architecture : architectures())
    if (std::ranges::find(architecture.classes, class_name) != architecture.classes.end())
      return &architecture;
  return nullptr;
}

const Architecture* find_architecture_by_name(std::string_view name) {
  const auto all = architectures();
  const auto found = std::ranges::find(all, name, &Architecture::name);
  return found == all.end() ? nullptr : &*found;
}

std::string architecture_names() {
  std::vector<std::string_view> names;
  for (const Architecture& architecture : architectures()) names.push_back(architecture.name);
  std::ranges::sort(names);
  const auto repeated = std::ranges::unique(names);
  names.erase(repeated.begin(), repeated.end());
  std::string text;
  for (const std::string_view name : names) {
    if (!text.empty()) text += ", ";
    text += name;
  }
  return text;
}

}  // namespace stkit::gguf_export
