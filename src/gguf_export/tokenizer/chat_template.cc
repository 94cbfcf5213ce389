#include "gguf_export/tokenizer/chat_template.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "base/ascii.h"

namespace stkit::gguf_export {
namespace {

struct Template {
  std::string name;  // "default" for the one that is meant when none is named
  std::string text;
};

constexpr std::string_view kDefault = "default";

// A string, or a list of {name, template}.
std::vector<Template> templates_of(const JsonValue* value) {
  std::vector<Template> templates;
  if (value == nullptr) return templates;
  if (const auto text = value->as_string())
    templates.push_back({std::string(kDefault), std::string(*text)});
  for (const JsonValue& choice : value->elements()) {
    const JsonValue* name = choice.find("name");
    const JsonValue* text = choice.find("template");
    if (name != nullptr && name->as_string() && text != nullptr && text->as_string())
      templates.push_back({std::string(*name->as_string()), std::string(*text->as_string())});
  }
  return templates;
}

std::vector<Template> templates_of_files(const Model& model) {
  constexpr std::string_view kFolder = "additional_chat_templates/", kEnding = ".jinja";
  std::vector<Template> templates;
  if (auto text = model.read_companion("chat_template.jinja")) {
    templates.push_back({std::string(kDefault), std::move(*text)});
    for (const ModelFile& file : model.files()) {
      const std::string_view name = file.name;
      if (!name.starts_with(kFolder) || !name.ends_with(kEnding)) continue;
      if (auto other = model.read_companion(name))
        templates.push_back({std::string(name.substr(
                                 kFolder.size(), name.size() - kFolder.size() - kEnding.size())),
                             std::move(*other)});
    }
    return templates;
  }
  if (const auto text = model.read_companion("chat_template.json"))
    if (const auto json = JsonValue::parse(*text)) return templates_of(json->find("chat_template"));
  return templates;
}

std::string key_name(std::string_view name) {
  std::string key(name);
  for (char& c : key)
    if (!ascii::is_alphanumeric(c)) c = '_';
  return key;
}

}  // namespace

void add_chat_template_keys(const Model& model, const JsonValue* tokenizer_config,
                            MetadataBuilder& out) {
  const JsonValue* own =
      tokenizer_config == nullptr ? nullptr : tokenizer_config->find("chat_template");
  const std::vector<Template> templates =
      own != nullptr && !own->is_null() ? templates_of(own) : templates_of_files(model);
  std::vector<std::string> names;
  for (const Template& choice : templates) {
    const std::string name = key_name(choice.name);
    if (name.empty() || choice.text.empty()) continue;
    out.set_text(name == kDefault ? "tokenizer.chat_template" : "tokenizer.chat_template." + name,
                 choice.text);
    if (name != kDefault) names.push_back(name);
  }
  if (!names.empty())
    out.set_texts("tokenizer.chat_templates",
                  std::vector<std::string_view>(names.begin(), names.end()));
}

}  // namespace stkit::gguf_export
