#include "base/python_json.h"

namespace stkit {
namespace {

// The length of the word that `text` starts with; 0 when it is none of them.
size_t python_number(std::string_view text) {
  for (const std::string_view word : {"NaN", "Infinity", "-Infinity"})
    if (text.starts_with(word)) return word.size();
  return 0;
}

}  // namespace

std::string strict_json(std::string_view text) {
  std::string strict;
  strict.reserve(text.size());
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const size_t word = in_string ? 0 : python_number(text.substr(i));
    if (word > 0) {
      strict += "null";
      i += word - 1;
      continue;
    }
    if (text[i] == '"') in_string = !in_string;
    strict += text[i];
    if (in_string && text[i] == '\\' && i + 1 < text.size()) strict += text[++i];
  }
  return strict;
}

}  // namespace stkit
