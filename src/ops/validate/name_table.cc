#include "ops/validate/name_table.h"

#include <algorithm>

#include "base/ascii.h"

namespace stkit {
namespace {

// Nine digits fit 32 bits; a longer run is a name, not an index.
bool is_index(std::string_view component) {
  return !component.empty() && component.size() <= 9 && ascii::all_digits(component);
}

uint32_t to_number(std::string_view digits) {
  uint32_t number = 0;
  for (const char c : digits) number = number * 10 + static_cast<uint32_t>(c - '0');
  return number;
}

// Writes the pattern of `name` to `text`, replacing what was there.
SplitName split(std::string_view name, std::string& text) {
  SplitName result;
  text.clear();
  int indices = 0;
  while (true) {
    const size_t dot = name.find('.');
    const std::string_view component = name.substr(0, dot);
    if (is_index(component)) {
      if (indices == 0) result.layer = to_number(component);
      if (indices == 1) result.expert = to_number(component);
      ++indices;
      text += '#';
    } else {
      text += component;
    }
    if (dot == name.npos) return result;
    text += '.';
    name.remove_prefix(dot + 1);
  }
}

}  // namespace

uint32_t NameTable::intern(const std::string& text) {
  if (const auto known = ids_.find(text); known != ids_.end()) return known->second;
  const auto id = static_cast<uint32_t>(patterns_.size());
  NamePattern& pattern = patterns_.emplace_back();
  pattern.text = text;
  const std::string_view all = pattern.text;
  pattern.rest = all;
  const size_t first = all.find('#');
  if (first != all.npos && first > 0 && first + 1 < all.size()) {
    pattern.stack = all.substr(0, first - 1);
    pattern.rest = all.substr(first + 2);
    const size_t second = pattern.rest.find('#');
    pattern.expert = second != all.npos && pattern.rest.substr(0, second).ends_with("experts.");
  }
  ids_.emplace(all, id);
  return id;
}

NameTable::NameTable(std::span<const TensorInfo> tensors) {
  names_.reserve(tensors.size());
  std::string text;
  for (const TensorInfo& tensor : tensors) {
    SplitName& name = names_.emplace_back(split(tensor.name, text));
    name.pattern = intern(text);
    ++patterns_[name.pattern].tensors;
  }
}

}  // namespace stkit
