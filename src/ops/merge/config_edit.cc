#include "ops/merge/config_edit.h"

#include <algorithm>

#include "stkit/json.h"

namespace stkit {
namespace {

struct TorchName {
  DType dtype;
  std::string_view name;
};
constexpr TorchName kTorchNames[] = {
    {DType::F64, "float64"},   {DType::F32, "float32"},           {DType::F16, "float16"},
    {DType::BF16, "bfloat16"}, {DType::F8_E4M3, "float8_e4m3fn"}, {DType::F8_E5M2, "float8_e5m2"},
};

std::string quoted(std::string_view text) {
  std::string json;
  JsonWriter(json).value(text);
  return json;
}

// Copies a document, value by value, with some of them replaced.
class ConfigEditor {
 public:
  ConfigEditor(std::string_view text, const ConfigChanges& changes)
      : text_(text), changes_(changes) {}

  std::string edit() {
    value({}, 0, true);
    return result_.append(text_, copied_);
  }

 private:
  using View = std::string_view;

  bool ends() const { return position_ >= text_.size(); }
  void skip_space() {
    position_ = std::min(text_.find_first_not_of(" \t\r\n", position_), text_.size());
  }
  bool take(char c) {
    skip_space();
    if (ends() || text_[position_] != c) return false;
    ++position_;
    return true;
  }

  // With its quotes.
  View string() {
    const size_t first = position_++;
    while (!ends() && text_[position_] != '"') position_ += text_[position_] == '\\' ? 2u : 1u;
    position_ = std::min(position_ + 1, text_.size());
    return text_.substr(first, position_ - first);
  }

  // A number, true, null, NaN.
  View word() {
    const size_t first = position_;
    position_ = std::min(text_.find_first_of(",]} \t\r\n", position_), text_.size());
    return text_.substr(first, position_ - first);
  }

  void value(View key, unsigned depth, bool may_change) {
    skip_space();
    if (ends()) return;
    if (text_[position_] == '{') return object(depth, may_change && !is_quantization(key));
    if (text_[position_] == '[') return array(depth, may_change);
    const View old = text_[position_] == '"' ? string() : word();
    if (!may_change) return;
    if (key == "\"dtype\"" || key == "\"torch_dtype\"") change_dtype(old);
    if (key == "\"transformers_weights\"" && depth == 1 && old.starts_with('"'))
      replace(old, quoted(changes_.weights_file));
  }

  void object(unsigned depth, bool may_change) {
    take('{');
    if (take('}')) return;
    do {
      skip_space();
      const View key = ends() ? View() : string();
      take(':');
      value(key, depth + 1, may_change);
    } while (take(','));
    take('}');
  }

  void array(unsigned depth, bool may_change) {
    take('[');
    if (take(']')) return;
    do value({}, depth + 1, may_change);
    while (take(','));
    take(']');
  }

  static bool is_quantization(View key) {
    return key == "\"quantization_config\"" || key == "\"compression_config\"";
  }

  void change_dtype(View old) {
    if (!changes_.dtype) return;
    View name = old;
    const bool is_string = name.size() >= 2 && name.starts_with('"');
    if (is_string) name = name.substr(1, name.size() - 2);
    constexpr View kModule = "torch.";
    const bool has_module = name.starts_with(kModule);
    if (has_module) name.remove_prefix(kModule.size());
    const bool is_float = is_string && std::ranges::find(kTorchNames, name, &TorchName::name) !=
                                           std::end(kTorchNames);
    if (!is_float && old != "null") return;
    const auto* row = std::ranges::find(kTorchNames, *changes_.dtype, &TorchName::dtype);
    replace(old, quoted(std::string(has_module ? kModule : View()) + std::string(row->name)));
  }

  void replace(View old, View replacement) {
    const auto first = static_cast<size_t>(old.data() - text_.data());
    result_.append(text_, copied_, first - copied_).append(replacement);
    copied_ = first + old.size();
  }

  const View text_;
  const ConfigChanges& changes_;
  size_t position_ = 0;
  size_t copied_ = 0;  // of text_, into result_
  std::string result_;
};

}  // namespace

std::string edit_config(std::string_view text, const ConfigChanges& changes) {
  return ConfigEditor(text, changes).edit();
}

}  // namespace stkit
