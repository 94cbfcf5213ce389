#include "ops/validate/context.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/python_json.h"

namespace stkit {
namespace {

// Where multimodal configurations keep that of their language model.
constexpr std::string_view kTextConfigs[] = {"text_config", "llm_config", "language_config"};

// Stacks that num_hidden_layers counts. Encoder-decoder models and towers for images or sound
// count theirs by other keys and are left alone.
constexpr std::string_view kTextStacks[] = {
    "model.layers",        "model.language_model.layers",
    "language_model.model.layers", "language_model.layers",
    "layers",              "transformer.h",
    "h",                   "gpt_neox.layers",
    "backbone.layers",     "bert.encoder.layer",
    "roberta.encoder.layer", "encoder.layer",
};

const JsonValue* object_or_null(const JsonValue* value) {
  return value != nullptr && value->type() == JsonType::Object ? value : nullptr;
}

std::optional<JsonValue> parse_config(const Model& model) {
  auto text = model.read_companion("config.json");
  if (!text) return std::nullopt;
  auto parsed = JsonValue::parse(*text);
  if (!parsed) parsed = JsonValue::parse(strict_json(*text));
  if (!parsed || parsed->type() != JsonType::Object) return std::nullopt;
  return std::move(*parsed);
}

// "model-00002-of-00004.safetensors", unless it is 1 of 1.
bool is_one_of_several(std::string_view file) {
  const size_t of = file.rfind("-of-");
  if (of == file.npos) return false;
  const std::string_view rest = file.substr(of + 4);
  const std::string_view total = rest.substr(0, rest.find('.'));
  return !total.empty() && total.find_first_not_of("0123456789") == total.npos &&
         total.find_first_not_of('0') != total.npos &&
         total.substr(total.find_first_not_of('0')) != "1";
}

std::string_view find_text_stack(const NameTable& names) {
  for (const std::string_view stack : kTextStacks)
    for (const NamePattern& pattern : names.patterns())
      if (pattern.stack == stack) return pattern.stack;
  return {};
}

}  // namespace

ConfigView::ConfigView(std::optional<JsonValue> root) : root_(std::move(root)) {
  if (!root_) return;
  text_ = &*root_;
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
  if (!root_) return nullptr;
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
    : model(scanned), options(asked), run(how), config(parse_config(scanned)),
      names(scanned.tensors()), text_stack(find_text_stack(names)) {
  if (auto listed = model.folder().list()) entries = std::move(*listed);
  const std::span<const ModelFile> files = model.files();
  for (uint32_t i = 0; i < files.size(); ++i)
    if (files[i].role == FileRole::Weights) weights.push_back(i);
  whole = weights.size() != 1 || !is_one_of_several(files[weights.front()].name);
}

void Context::report(Check check, std::string path, std::string message) {
  findings.push_back({.check = check, .path = std::move(path), .tensor = {},
                      .message = std::move(message), .hint = {}, .severity_override = {}});
}

const ModelFile* Context::file(std::string_view name) const {
  const auto found = std::ranges::find(model.files(), name, &ModelFile::name);
  return found == model.files().end() ? nullptr : &*found;
}

bool Context::in_folder(std::string_view name) const {
  return std::ranges::binary_search(entries, name, {}, &FolderEntry::name);
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
