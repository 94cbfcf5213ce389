// What config.json says about head, dtype and quantization, against the tensors that are there.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>

#include "model/profile.h"
#include "ops/validate/checks.h"
#include "ops/validate/quantization.h"

namespace stkit {
namespace {

struct TiedDefault {
  std::string_view model_type;
  bool tied;
};

// What an absent tie_word_embeddings means; for types that are not here nothing is concluded.
constexpr TiedDefault kTiedDefaults[] = {
    {"llama", false}, {"mistral", false},    {"mixtral", false},   {"qwen2", false},
    {"qwen3", false}, {"qwen2_moe", false},  {"qwen3_moe", false}, {"gemma", true},
    {"gemma2", true}, {"gemma3_text", true}, {"phi3", false},      {"deepseek_v3", false},
};

std::optional<bool> flag(const JsonValue* object, std::string_view key) {
  const JsonValue* value = object == nullptr ? nullptr : object->find(key);
  return value == nullptr ? std::nullopt : value->as_bool();
}

// Nothing when neither says it, or the two parts of a multimodal configuration disagree.
std::optional<bool> tied_embeddings(const ConfigView& config) {
  constexpr std::string_view kKey = "tie_word_embeddings";
  const auto outer = flag(config.root(), kKey);
  const auto inner = flag(config.text(), kKey);
  if (outer && inner && *outer != *inner) return std::nullopt;
  if (outer || inner) return outer ? outer : inner;
  if (config.root() != config.text()) return std::nullopt;  // the outer class has its own default
  for (const TiedDefault& row : kTiedDefaults)
    if (row.model_type == config.model_type()) return row.tied;
  return std::nullopt;
}

struct DTypeName {
  std::string_view config;
  DType dtype;
};
constexpr DTypeName kDTypeNames[] = {
    {"float32", DType::F32}, {"float16", DType::F16}, {"bfloat16", DType::BF16}};

// Scales as the fp8 methods of transformers and vLLM name them.
bool has_fp8_scales(const NameTable& names) {
  return std::ranges::any_of(names.patterns(), [](const NamePattern& pattern) {
    const std::string_view last = pattern.last_component();
    return last == "weight_scale_inv" || last == "weight_scale";
  });
}

}  // namespace

void check_tied_head(Context& context) {
  const ConfigView& config = context.config;
  if (!config.present() || !context.whole || !config.architecture().ends_with("ForCausalLM"))
    return;
  const auto tied = tied_embeddings(config);
  bool embedding = false;
  const NamePattern* head = nullptr;
  for (const NamePattern& pattern : context.names.patterns()) {
    if (pattern.text.ends_with("embed_tokens.weight") && pattern.stack.empty()) embedding = true;
    if (pattern.text.find("lm_head") != std::string::npos) head = &pattern;
  }
  if (!tied || !embedding) return;
  if (*tied && head != nullptr)
    context.report(
        {.check = Check::TiedHead,
         .path = context.config_path(),
         .tensor = head->text,
         .message = fmt::format("tie_word_embeddings is true, but the weights hold '{}'; loaders "
                                "that tie ignore it",
                                head->text),
         .hint = "set tie_word_embeddings to false if the head was trained apart; else drop the "
                 "tensor"});
  if (!*tied && head == nullptr)
    context.report({.check = Check::TiedHead,
                    .path = context.config_path(),
                    .tensor = "lm_head.weight",
                    .message = "tie_word_embeddings is not true, but the weights hold no lm_head",
                    .hint = "set tie_word_embeddings to true if the head is the embedding; else a "
                            "shard is missing"});
}

void check_config_dtype(Context& context) {
  const ConfigView& config = context.config;
  if (!config.present() || config.quantization() != nullptr) return;
  std::string_view said = config.text_of("dtype");
  if (said.empty()) said = config.text_of("torch_dtype");
  const auto row = std::ranges::find(kDTypeNames, said, &DTypeName::config);
  if (row == std::end(kDTypeNames)) return;

  std::map<DType, uint64_t> parameters;
  uint64_t total = 0;
  for (const TensorInfo& tensor : context.model.tensors()) {
    parameters[tensor.dtype] += tensor.element_count;
    total += tensor.element_count;
  }
  for (const auto& [dtype, count] : parameters) {
    if (count <= total / 2 || dtype == row->dtype) continue;
    if (std::ranges::find(kDTypeNames, dtype, &DTypeName::dtype) == std::end(kDTypeNames)) continue;
    context.report(
        Check::ConfigDType, context.config_path(),
        fmt::format("the dtype is said to be {}, but {:.0f} % of the parameters are {}", said,
                    100.0 * static_cast<double>(count) / static_cast<double>(total), name(dtype)));
  }
}

void check_quantization(Context& context) {
  const ConfigView& config = context.config;
  if (!config.present()) return;
  const JsonValue* said = config.quantization();
  if (said == nullptr) {
    const std::string seen = find_quantization(context.model);
    const bool elsewhere = context.in_folder("quantize_config.json") ||
                           context.in_folder("quant_config.json") ||
                           context.in_folder("hf_quant_config.json");
    // Plain casts to 8-bit floats, and formats of image tools, need no configuration.
    if (seen.empty() || elsewhere || (seen == "fp8" && !has_fp8_scales(context.names))) return;
    context.report(Check::QuantizationMismatch, context.config_path(),
                   fmt::format("the tensors look quantized ({}), but there is no "
                               "quantization_config",
                               seen));
    return;
  }
  const std::string_view method = quantization_method(*said);
  if (!context.whole || has_quantization(method, context.names, context.model.tensors())) return;
  context.report(Check::QuantizationMismatch, context.config_path(),
                 fmt::format("quantization_config says {}, but no tensor is quantized so", method));
}

}  // namespace stkit
