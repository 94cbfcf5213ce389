#include "ops/validate/context.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "model/config.h"
#include "model/listing.h"
#include "model/model_contents.h"
#include "model/shard_name.h"

namespace stkit {
namespace {

// Where multimodal configurations keep that of their language model.
constexpr std::string_view kTextConfigs[] = {"text_config", "llm_config", "language_config"};

// Stacks that num_hidden_layers counts. Encoder-decoder models and towers for images or sound
// count theirs by other keys and are left alone.
constexpr std::string_view kTextStacks[] = {
    "model.layers",
    "model.language_model.layers",
    "language_model.model.layers",
    "language_model.layers",
    "layers",
    "transformer.h",
    "h",
    "gpt_neox.layers",
    "backbone.layers",
    "bert.encoder.layer",
    "roberta.encoder.layer",
    "encoder.layer",
};

const JsonValue* object_or_null(const JsonValue* value) {
  return value != nullptr && value->type() == JsonType::Object ? value : nullptr;
}

std::string_view find_text_stack(const NameTable& names) {
  for (const std::string_view stack : kTextStacks)
    for (const NamePattern& pattern : names.patterns())
      if (pattern.stack == stack) return pattern.stack;
  return {};
}

}  // namespace

ConfigView::ConfigView(const JsonValue* root) : root_(root), text_(root) {
  if (root_ == nullptr) return;
  for (const std::string_view key : kTextConfigs) {
    if (const JsonValue* nested = object_or_null(root_->find(key))) {
      text_ = nested;
      return;
    }
  }
}

std::optional<uint64_t> ConfigView::number(std::initializer_list<std::string_view> keys) const {
  if (text_ == nullptr) return std::nullopt;
  for (const std::string_view key : keys)
    if (const JsonValue* value = text_->find(key))
      if (const auto number = value->as_uint()) return number;
  return std::nullopt;
}

const JsonValue* ConfigView::find(std::string_view key) const {
  if (root_ == nullptr) return nullptr;
  const JsonValue* value = root_->find(key);
  if (value == nullptr || value->is_null()) value = text_->find(key);
  return value;
}

std::string_view ConfigView::text_of(std::string_view key) const {
  const JsonValue* value = find(key);
  return value == nullptr ? std::string_view() : value->as_string().value_or("");
}

std::string_view ConfigView::model_type() const {
  const JsonValue* value = text_ == nullptr ? nullptr : text_->find("model_type");
  return value == nullptr ? std::string_view() : value->as_string().value_or("");
}

std::string_view ConfigView::architecture() const {
  const JsonValue* list = find("architectures");
  if (list == nullptr || list->elements().empty()) return {};
  return list->elements().front().as_string().value_or("");
}

const JsonValue* ConfigView::quantization() const {
  for (const std::string_view key : {"quantization_config", "quantization", "compression_config"})
    if (const JsonValue* value = object_or_null(find(key))) return value;
  return nullptr;
}

Context::Context(const Model& scanned, const ValidateOptions& asked, const RunOptions& how)
    : model(scanned),
      options(asked),
      run(how),
      config(stkit::config(scanned)),
      names(scanned.tensors()),
      subfolder(ModelAccess::contents(scanned).subfolder),
      text_stack(find_text_stack(names)),
      lone_file(!ModelAccess::contents(scanned).selected_weights.empty()) {
  const auto trimmed = std::string_view(subfolder).substr(0, subfolder.rfind('/'));
  if (auto listed = model.folder().list(subfolder.empty() ? "" : trimmed))
    entries = std::move(*listed);
  const std::span<const ModelFile> files = model.files();
  for (uint32_t i = 0; i < files.size(); ++i)
    if (files[i].role == FileRole::Weights) weights.push_back(i);
  if (weights.size() == 1) {
    const auto shard = parse_shard_name(base_name(files[weights.front()].name));
    whole = !shard || shard->count <= 1;
  }
}

void Context::report(Check check, std::string path, std::string message) {
  findings.push_back({.check = check, .path = std::move(path), .message = std::move(message)});
}

const ModelFile* Context::file(std::string_view name) const {
  const auto found =
      std::ranges::find(model.files(), subfolder + std::string(name), &ModelFile::name);
  return found == model.files().end() ? nullptr : &*found;
}

bool Context::in_folder(std::string_view name) const {
  return find_entry(entries, subfolder + std::string(name)) != nullptr;
}

std::string Context::folder_path() const {
  return subfolder.empty() ? model.folder().label() : model.folder().path_of(subfolder);
}

const std::string& Context::path_of(const TensorInfo& tensor) const {
  return model.files()[tensor.file].path;
}

bool Context::readable(const TensorInfo& tensor) const {
  const uint64_t size = model.files()[tensor.file].size_bytes;
  return !tensor.contiguous ||
         (tensor.offset_bytes <= size && tensor.size_bytes <= size - tensor.offset_bytes);
}

std::string shape_text(Shape shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

}  // namespace stkit
