#include "gguf_export/export_plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "formats/finding_log.h"
#include "gguf_export/arch/registry.h"
#include "gguf_export/general_keys.h"
#include "gguf_export/model_keys.h"
#include "gguf_export/pooling.h"
#include "gguf_export/prequantized.h"
#include "gguf_export/tensor_plan.h"
#include "gguf_export/tokenizer/tokenizer.h"
#include "model/config.h"

namespace stkit::gguf_export {
namespace {

Result<const Architecture*> choose_architecture(const JsonValue* json, const ExportOptions& options,
                                                const std::string& path) {
  constexpr std::string_view kOwnNames =
      "quantize the model under its own tensor names with "
      "--arch none";
  if (!options.architecture.empty()) {
    if (const Architecture* named = find_architecture_by_name(options.architecture)) return named;
    return fail(ErrorCode::Usage,
                fmt::format("no architecture is called {}", quoted_name(options.architecture)),
                fmt::format("known: {}, none", architecture_names()));
  }
  if (json == nullptr)
    return fail(ErrorCode::NotFound, "there is no config.json, which says what kind of model it is",
                std::string(kOwnNames), path);
  const std::string_view class_name = architecture_class(*json);
  if (class_name.empty())
    return fail(ErrorCode::Unsupported, "config.json names no architecture", std::string(kOwnNames),
                path);
  if (const Architecture* known = find_architecture(class_name)) return known;
  return fail(ErrorCode::Unsupported,
              fmt::format("the architecture {} is not known", quoted_name(class_name)),
              fmt::format("known: {}; or {}", architecture_names(), kOwnNames), path);
}

// The rows of the embedding are as many as the loader expects tokens.
uint64_t vocabulary_of(std::span<const ExportTensor> tensors, const HyperParameters& config) {
  const auto embedding = std::ranges::find(tensors, "token_embd.weight", &ExportTensor::name);
  if (embedding != tensors.end() && !embedding->shape.empty()) return embedding->shape.front();
  return config.count("vocab_size").value_or(0);
}

uint64_t number_of(std::span<const GgufEntry> metadata, const std::string& key, uint64_t fallback) {
  const GgufValue* value = find(metadata, key);
  if (const GgufArray* list = as_array(value, GgufType::I32); list != nullptr && list->size() > 0)
    return static_cast<uint64_t>(std::max(list->number<int32_t>(0), 0));
  return as_uint(value).value_or(fallback);
}

}  // namespace

ModelShape model_shape(std::span<const GgufEntry> metadata) {
  ModelShape shape;
  shape.architecture = as_string(find(metadata, "general.architecture")).value_or("");
  const auto number = [&](std::string_view name, uint64_t fallback) {
    return number_of(metadata, fmt::format("{}.{}", shape.architecture, name), fallback);
  };
  shape.layers = number("block_count", 0);
  shape.heads = number("attention.head_count", 0);
  shape.kv_heads = number("attention.head_count_kv", shape.heads);
  shape.experts = number("expert_count", 0);
  return shape;
}

Result<ExportPlan> plan_export(const Model& model, const ExportOptions& options) {
  STKIT_TRY(check_exportable(model));
  const JsonValue* json = config(model);
  STKIT_ASSIGN(const Architecture* architecture,
               choose_architecture(json, options, model.reference()));
  const JsonValue nothing;
  const HyperParameters hyper(json == nullptr ? nothing : *json, architecture->defaults);

  ExportPlan plan{MetadataBuilder(architecture->name), {}, {}, {}};
  STKIT_ASSIGN(plan.tensors, plan_tensors(model, *architecture, hyper));
  plan.metadata.set_text("general.architecture", architecture->name);
  add_general_keys(model, options.name, plan.tensors, plan.metadata);
  STKIT_TRY(add_model_keys(*architecture, hyper, plan.metadata));
  plan.model = model_shape(plan.metadata.entries());
  add_pooling_key(model, plan.metadata);
  STKIT_TRY(add_tokenizer_keys(model, *architecture,
                               {vocabulary_of(plan.tensors, hyper), options.pre_tokenizer},
                               plan.metadata, plan.notes));
  return plan;
}

}  // namespace stkit::gguf_export
