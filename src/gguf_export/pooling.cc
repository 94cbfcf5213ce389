#include "gguf_export/pooling.h"

#include <string>
#include <string_view>

#include "base/json_reader.h"

namespace stkit::gguf_export {
namespace {

struct Mode {
  std::string_view flag;  // of older versions of sentence-transformers
  std::string_view name;  // of newer ones
  uint32_t type;          // of llama.cpp's llama_pooling_type
};
constexpr Mode kModes[] = {{"pooling_mode_mean_tokens", "mean", 1},
                           {"pooling_mode_cls_token", "cls", 2},
                           {"pooling_mode_lasttoken", "lasttoken", 3}};

std::string_view text_field(const JsonValue& object, std::string_view key) {
  const JsonValue* value = object.find(key);
  return value == nullptr ? std::string_view() : value->as_string().value_or("");
}

}  // namespace

void add_pooling_key(const Model& model, MetadataBuilder& out) {
  const auto text = model.read_companion("modules.json");
  const auto modules = text ? JsonValue::parse(*text) : Result<JsonValue>(JsonValue());
  if (!modules) return;
  for (const JsonValue& module : modules->elements()) {
    if (!text_field(module, "type").ends_with("Pooling")) continue;
    const auto settings =
        model.read_companion(std::string(text_field(module, "path")) + "/config.json");
    const auto json = settings ? JsonValue::parse(*settings) : Result<JsonValue>(JsonValue());
    if (!json) return;
    for (const Mode& mode : kModes) {
      const JsonValue* flag = json->find(mode.flag);
      if ((flag != nullptr && flag->as_bool() == true) ||
          text_field(*json, "pooling_mode") == mode.name)
        return out.set(out.arch_key("pooling_type"), mode.type);
    }
  }
}

}  // namespace stkit::gguf_export
