#include "gguf_export/model_card.h"

#include <algorithm>
#include <functional>

namespace stkit::gguf_export {
namespace {

std::string_view trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r");
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

std::string_view take_line(std::string_view& text) {
  const size_t end = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line.ends_with('\r') ? line.substr(0, line.size() - 1) : line;
}

// Without quotes, or without what is behind " #". Empty for null.
std::string scalar(std::string_view text) {
  text = trimmed(text);
  if (text.size() >= 2 && (text.front() == '"' || text.front() == '\'')) {
    const size_t end = text.find(text.front(), 1);
    return std::string(text.substr(1, end == text.npos ? text.npos : end - 1));
  }
  const size_t comment = text.find(" #");
  if (comment != text.npos) text = trimmed(text.substr(0, comment));
  return text == "null" || text == "~" ? std::string() : std::string(text);
}

std::vector<std::string> bracketed(std::string_view text) {
  std::vector<std::string> items;
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find(',', at), text.size());
    if (std::string item = scalar(text.substr(at, end - at)); !item.empty())
      items.push_back(std::move(item));
    at = end + 1;
  }
  return items;
}

}  // namespace

ModelCard ModelCard::parse(std::string_view markdown) {
  ModelCard card;
  if (markdown.starts_with("\xEF\xBB\xBF")) markdown.remove_prefix(3);
  if (take_line(markdown) != "---") return card;
  std::vector<std::string>* list = nullptr;  // of the key whose items come next
  while (!markdown.empty()) {
    const std::string_view line = take_line(markdown);
    if (line == "---") break;
    const std::string_view text = trimmed(line);
    if (text.empty() || text.starts_with('#')) continue;
    if (text == "-" || text.starts_with("- ")) {
      std::string item = scalar(text.substr(1));
      // An item that is a mapping has no single value.
      const bool is_mapping = item.find(": ") != item.npos || item.ends_with(':');
      if (list != nullptr && !item.empty() && !is_mapping) list->push_back(std::move(item));
      continue;
    }
    if (line.front() == ' ' || line.front() == '\t') continue;  // of a nested mapping
    list = nullptr;
    const size_t colon = text.find(':');
    if (colon == text.npos) continue;
    const std::string_view value = trimmed(text.substr(colon + 1));
    std::vector<std::string>& values = card.keys_[scalar(text.substr(0, colon))];
    values.clear();
    if (value.empty())
      list = &values;
    else if (value.starts_with('['))
      values = bracketed(value.substr(1, value.find(']') - 1));
    else if (value.front() != '|' && value.front() != '>')
      if (std::string one = scalar(value); !one.empty()) values.push_back(std::move(one));
  }
  return card;
}

const std::vector<std::string>& ModelCard::values(std::string_view key) const {
  static const std::vector<std::string> kNone;
  const auto found = keys_.find(key);
  return found == keys_.end() ? kNone : found->second;
}

std::string_view ModelCard::value(std::string_view key) const {
  const std::vector<std::string>& all = values(key);
  return all.size() == 1 ? std::string_view(all.front()) : std::string_view();
}

}  // namespace stkit::gguf_export
