// The documents of `inspect --json`. Keys and their order are a contract with scripts: add at the
// end, never rename.
#include "stkit/json.h"

#include "stkit/inspect.h"

namespace stkit {
namespace {

void write_text_or_null(JsonWriter& json, std::string_view key, std::string_view text) {
  json.key(key);
  if (text.empty())
    json.null();
  else
    json.value(text);
}

void write_number_or_null(JsonWriter& json, std::string_view key, uint64_t number) {
  json.key(key);
  if (number == 0)
    json.null();
  else
    json.value(number);
}

void write_texts(JsonWriter& json, std::string_view key, std::span<const std::string> texts) {
  json.key(key).begin_array();
  for (const std::string& text : texts) json.value(text);
  json.end_array();
}

void write_dtypes(JsonWriter& json, const InspectReport& report) {
  json.key("dtypes").begin_object();
  for (const auto& [dtype, share] : report.dtypes) {
    json.key(name(dtype)).begin_object();
    json.field("tensors", share.tensors);
    json.field("parameters", share.parameters);
    json.field("bytes", share.bytes).end_object();
  }
  json.end_object();
}

void write_isq(JsonWriter& json, const IsqAdvice& isq) {
  if (isq.choices.empty()) {
    json.key("recommended_isq").null().key("estimated_bytes").null();
    return;
  }
  json.key("recommended_isq").begin_object();
  json.field("speed", isq.speed).field("balanced", isq.balanced);
  json.field("quality", isq.quality).field("default", isq.fallback_default).end_object();
  json.key("estimated_bytes").begin_object();
  for (const IsqChoice& choice : isq.choices) json.field(choice.isq, choice.estimated_bytes);
  json.end_object();
}

void write_config(JsonWriter& json, const ConfigSummary& config) {
  json.key("config").begin_object();
  write_number_or_null(json, "layers", config.layers);
  write_number_or_null(json, "hidden_size", config.hidden_size);
  write_number_or_null(json, "heads", config.heads);
  write_number_or_null(json, "kv_heads", config.kv_heads);
  write_number_or_null(json, "vocab_size", config.vocab_size);
  write_number_or_null(json, "context_length", config.context_length);
  write_number_or_null(json, "experts", config.experts);
  json.end_object();
}

void write_metadata(JsonWriter& json, const Model& model) {
  json.key("metadata").begin_object();
  for (const auto& [key, value] : model.metadata()) json.field(key, value);
  json.end_object();
}

void write_files(JsonWriter& json, const Model& model) {
  json.key("files").begin_array();
  for (const ModelFile& file : model.files()) {
    json.begin_object().field("name", file.name).field("bytes", file.size_bytes);
    json.field("tensors", file.tensor_count).field("role", name(file.role)).end_object();
  }
  json.end_array();
}

// What a model manager stores about a model, in its words: for plain weights the "quantization" is
// the container, and safetensors are named by their folder, other weights by their file.
void write_profile(JsonWriter& json, const Model& model, const InspectReport& report) {
  const Profile& profile = report.profile;
  const bool is_safetensors = model.format() == FileFormat::Safetensors;
  const ModelFile* first_weights = nullptr;
  json.key("profile").begin_object();
  json.field("is_gguf", model.format() == FileFormat::Gguf);
  json.field("is_safetensors", is_safetensors);
  json.key("safetensors_shards").begin_array();
  for (const ModelFile& file : model.files()) {
    if (file.role != FileRole::Weights) continue;
    if (first_weights == nullptr) first_weights = &file;
    if (is_safetensors) json.value(file.name);
  }
  json.end_array();
  json.field("requires_isq", profile.requires_isq);
  write_text_or_null(json, "isq", report.isq.fallback_default);
  write_text_or_null(json, "quantization",
                     profile.quantization.empty() ? name(model.format()) : profile.quantization);
  write_text_or_null(json, "model_type", profile.model_type);
  json.field("file_format", name(model.format()));
  json.field("shard_count", report.shard_count);
  json.field("file_path", model.reference());
  json.field("weights_path", model.folder().label());
  write_text_or_null(json, "weights_file",
                     is_safetensors || first_weights == nullptr ? "" : first_weights->name);
  json.end_object();
}

void write_tensors(JsonWriter& json, const Model& model, const InspectReport& report,
                   const InspectJsonOptions& options) {
  json.key("tensors").begin_array();
  for (const uint32_t index : select_tensors(model, *options.tensors_glob, options.sort)) {
    const TensorInfo& tensor = model.tensors()[index];
    json.begin_object().field("name", tensor.name).field("dtype", name(tensor.dtype));
    json.key("shape").begin_array();
    for (const uint64_t dimension : tensor.shape) json.value(dimension);
    json.end_array().field("parameters", tensor.element_count);
    json.field("bytes", tensor.size_bytes).field("file", model.files()[tensor.file].name);
    json.key("offset");
    if (tensor.contiguous)
      json.value(tensor.offset_bytes);
    else
      json.null();
    if (index < report.stats.size() && report.stats[index]) {
      json.key("stats");
      write_json(json, *report.stats[index]);
    }
    json.end_object();
  }
  json.end_array();
}

void write_difference(JsonWriter& json, const TensorDiff& difference) {
  json.begin_object().field("kind", name(difference.kind)).field("tensor", difference.tensor);
  write_text_or_null(json, "left", difference.left);
  write_text_or_null(json, "right", difference.right);
  if (difference.kind == DiffKind::Data) {
    json.field("differing_values", difference.differing_values);
    json.field("max_abs_difference", difference.max_abs_difference);
    json.field("mean_abs_difference", difference.mean_abs_difference);
  }
  json.end_object();
}

}  // namespace

void write_json(JsonWriter& json, const TensorStats& stats) {
  json.begin_object();
  json.field("min", stats.min).field("max", stats.max);
  json.field("mean", stats.mean).field("std", stats.std);
  json.field("nan", stats.nan).field("inf", stats.inf).field("zero", stats.zero);
  json.end_object();
}

void write_json(JsonWriter& json, const Model& model, const InspectReport& report,
                const InspectJsonOptions& options) {
  const Profile& profile = report.profile;
  json.begin_object();
  json.field("name", model.name()).field("path", model.reference());
  json.field("file_format", name(model.format()));
  json.field("is_safetensors", model.format() == FileFormat::Safetensors);
  json.field("is_gguf", model.format() == FileFormat::Gguf);
  json.field("shard_count", report.shard_count).field("tensor_count", report.tensor_count);
  json.field("parameter_count", report.parameter_count);
  json.field("total_bytes", report.total_bytes);
  write_dtypes(json, report);
  write_text_or_null(json, "architecture", profile.architecture);
  write_text_or_null(json, "model_type", profile.model_type);
  write_text_or_null(json, "base_model_name", profile.base_model_name);
  write_text_or_null(json, "modality", profile.modality);
  write_text_or_null(json, "quantization", profile.quantization);
  json.field("requires_isq", profile.requires_isq);
  write_isq(json, report.isq);
  write_config(json, profile.config);
  write_metadata(json, model);
  write_files(json, model);
  write_texts(json, "missing_files", report.missing_files);
  write_texts(json, "warnings", report.warnings);
  write_profile(json, model, report);
  if (options.tensors_glob) write_tensors(json, model, report, options);
  json.end_object();
}

void write_json(JsonWriter& json, const DiffReport& report) {
  json.begin_object().field("same", report.same());
  json.field("compared", report.compared).field("equal", report.equal);
  json.field("data_compared", report.data_compared);
  json.key("differences").begin_array();
  for (const TensorDiff& difference : report.differences) write_difference(json, difference);
  json.end_array();
  write_texts(json, "metadata", report.metadata);
  json.end_object();
}

}  // namespace stkit
