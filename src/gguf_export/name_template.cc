#include "gguf_export/name_template.h"

#include <algorithm>
#include <charconv>

namespace stkit::gguf_export {

NameTemplate template_of(std::string_view name) {
  NameTemplate result;
  for (size_t at = 0; at <= name.size();) {
    const size_t dot = std::min(name.find('.', at), name.size());
    const std::string_view part = name.substr(at, dot - at);
    if (at > 0) result.text += '.';
    uint64_t number = 0;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), number);
    if (error == std::errc() && end == part.data() + part.size()) {
      result.numbers.push_back(number);
      result.text += "{}";
    } else {
      result.text += part;
    }
    at = dot + 1;
  }
  return result;
}

std::string_view ending_of(std::string_view name) {
  for (const std::string_view ending : {".weight", ".bias"})
    if (name.ends_with(ending)) return ending;
  return {};
}

}  // namespace stkit::gguf_export
