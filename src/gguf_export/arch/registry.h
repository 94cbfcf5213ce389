// Every architecture once. To add one: its file, its declaration here, its row in registry.cc.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "gguf_export/architecture.h"

namespace stkit::gguf_export {

std::span<const Architecture> architectures();
// By the class that config.json names; null when unknown.
const Architecture* find_architecture(std::string_view class_name);
// By the name of llama.cpp, for who says it himself; the first of several.
const Architecture* find_architecture_by_name(std::string_view name);
// "gemma, gemma2, llama", for messages.
std::string architecture_names();

Architecture llama_architecture();
Architecture mistral_architecture();
Architecture mixtral_architecture();
Architecture qwen2_architecture();
Architecture qwen2moe_architecture();
Architecture qwen3_architecture();
Architecture qwen3moe_architecture();
Architecture gemma_architecture();
Architecture gemma2_architecture();
Architecture gemma3_architecture();
Architecture phi3_architecture();
Architecture gpt2_architecture();
Architecture gptneox_architecture();
Architecture stablelm_architecture();
Architecture olmo2_architecture();
Architecture granite_architecture();
Architecture smollm3_architecture();
Architecture deepseek2_architecture();
Architecture deepseek3_architecture();
Architecture gpt_oss_architecture();
Architecture glm4_architecture();
Architecture command_r_architecture();
Architecture cohere2_architecture();
Architecture falcon_architecture();
Architecture bert_architecture();

}  // namespace stkit::gguf_export
