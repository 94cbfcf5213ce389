#include "gguf_export/model_id.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <span>
#include <vector>

#include "base/ascii.h"
#include "stkit/text.h"

namespace stkit::gguf_export {
namespace {

using ascii::is_digit;
using ascii::is_letter;
using ascii::is_lower;
using ascii::is_upper;
using ascii::to_lower;
using ascii::to_upper;

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find(separator, at), text.size());
    if (end > at) parts.emplace_back(text.substr(at, end - at));
    at = end + 1;
  }
  return parts;
}

size_t digits(std::string_view text) {
  size_t count = 0;
  while (count < text.size() && is_digit(text[count])) ++count;
  return count;
}

// Digits, then more digits behind each separator; the length, 0 when there are none.
size_t dotted_number(std::string_view text, std::string_view separators, size_t most_groups) {
  size_t length = digits(text);
  if (length == 0) return 0;
  for (size_t group = 0; group < most_groups; ++group) {
    const std::string_view rest = text.substr(length);
    if (rest.empty() || separators.find(rest.front()) == separators.npos) break;
    const size_t more = digits(rest.substr(1));
    if (more == 0) break;
    length += 1 + more;
  }
  return length;
}

// "2.5", "v0.1", "iter30"
bool is_version(std::string_view part) {
  const std::string text = lower_case(part);
  std::string_view rest = text;
  if (rest.starts_with("iter"))
    rest.remove_prefix(4);
  else if (rest.starts_with('v'))
    rest.remove_prefix(1);
  return !rest.empty() && dotted_number(rest, ".", rest.size()) == rest.size();
}

// "q4_k_m", "iq2_xs", "bf16", "fp16"
bool is_encoding(std::string_view part) {
  const std::string text = lower_case(part);
  std::string_view rest = text;
  if (rest.starts_with('i')) rest.remove_prefix(1);
  if (rest.size() >= 2 && rest[0] == 'q' && is_digit(rest[1])) {
    rest.remove_prefix(2);
    while (rest.size() >= 2 && rest[0] == '_') rest.remove_prefix(2);
    return rest.empty();
  }
  rest = text;
  if (rest.starts_with('b')) rest.remove_prefix(1);
  if (!rest.starts_with('f')) return false;
  rest.remove_prefix(1);
  if (rest.starts_with('p')) rest.remove_prefix(1);
  return rest == "16" || rest == "32";
}

constexpr std::string_view kSizeWords[] = {"small", "mini", "medium", "large", "xl", "xxl"};
constexpr std::string_view kPurposes[] = {"chat", "instruct", "vision", "lora"};

bool is_one_of(std::string_view text, std::span<const std::string_view> words) {
  return std::ranges::find(words, lower_case(text)) != words.end();
}

// "7B", "8x22B", "A3B", "0_5b", "7b1"
bool is_size(std::string_view part) {
  if (is_one_of(part, kSizeWords)) return true;
  std::string_view rest = part;
  if (!rest.empty() && to_lower(rest[0]) == 'a') {
    rest.remove_prefix(1);
  } else if (const size_t experts = digits(rest);
             experts > 0 && experts < rest.size() && to_lower(rest[experts]) == 'x') {
    rest.remove_prefix(experts + 1);
  }
  rest.remove_prefix(dotted_number(rest, "._", 1));
  if (rest.empty() || rest.data() == part.data()) return false;
  if (!is_digit(rest.data()[-1])) return false;
  if (std::string_view("kmbt").find(to_lower(rest[0])) == std::string_view::npos) return false;
  return rest.size() == 1 || (rest.size() == 2 && is_digit(rest[1]));
}

// Dots instead of underscores, "7b1" as "7.1b", the unit in capitals.
std::string normal_size(std::string_view part) {
  std::string size(part);
  std::ranges::replace(size, '_', '.');
  if (is_digit(size.back())) {
    const char unit = size[size.size() - 2], last = size.back();
    size.resize(size.size() - 2);
    size += {'.', last, unit};
  }
  if (size.size() > 1 && is_digit(size[size.size() - 2])) size.back() = to_upper(size.back());
  return size;
}

// Nothing for words and mixtures.
std::optional<double> parameters_of(const std::string& size) {
  const size_t power = std::string_view(" KMBT").find(size.back());
  const std::string number = size.substr(0, size.size() - 1);
  if (power == std::string_view::npos || dotted_number(number, ".", 1) != number.size())
    return std::nullopt;
  double value = 0;
  std::from_chars(number.data(), number.data() + number.size(), value);
  return value * std::pow(1000.0, static_cast<double>(power));
}

enum class Kind : uint8_t { None, Version, Encoding, Size, Purpose, Basename, BasenameVersion };

struct Part {
  std::string text;
  Kind kind = Kind::None;
};

Part classify(std::string_view text, bool is_first, uint64_t parameters) {
  if (is_version(text)) return {std::string(text), Kind::Version};
  if (is_encoding(text)) {
    std::string encoding(text);
    std::ranges::transform(encoding, encoding.begin(), to_upper);
    return {encoding, Kind::Encoding};
  }
  if (is_first) return {std::string(text)};
  if (is_size(text)) {
    std::string size = normal_size(text);
    const auto claimed = parameters_of(size);
    const auto actual = static_cast<double>(parameters);
    if (parameters == 0 || !claimed || std::abs(*claimed - actual) <= std::floor(7 * actual / 8))
      return {size, Kind::Size};
    size.back() = to_lower(size.back());
    return {size, Kind::Purpose};
  }
  if (is_one_of(text, kPurposes)) return {std::string(text), Kind::Purpose};
  return {std::string(text)};
}

bool all_letters(std::string_view text) { return std::ranges::all_of(text, is_letter); }

// Sizes in words say less than one in numbers, where there is one.
void prefer_numbers(std::vector<Part>& parts) {
  const bool has_number = std::ranges::any_of(parts, [](const Part& part) {
    return part.kind == Kind::Size && std::ranges::any_of(part.text, is_digit);
  });
  if (!has_number) return;
  for (Part& part : parts)
    if (part.kind == Kind::Size && all_letters(part.text)) part.kind = Kind::None;
}

// The leading parts that are words or versions are the base name, but for versions at its end.
void find_basename(std::vector<Part>& parts) {
  bool at_start = true;
  for (Part& part : parts) {
    if (at_start && part.kind == Kind::None && is_letter(part.text.front()))
      part.kind = Kind::Basename;
    else if (at_start && part.kind == Kind::Version)
      part.kind = Kind::BasenameVersion;
    else
      at_start = false;
    if (!at_start && part.kind == Kind::None) part.kind = Kind::Purpose;
  }
  for (auto part = parts.rbegin(); part != parts.rend() && part->kind == Kind::BasenameVersion;
       ++part)
    part->kind = Kind::Version;
}

template <class Wanted>
std::string joined(std::span<const Part> parts, Wanted wanted) {
  std::string text;
  std::vector<std::string_view> seen;
  for (const Part& part : parts) {
    if (!wanted(part.kind)) continue;
    if (part.kind == Kind::Size && std::ranges::find(seen, part.text) != seen.end()) continue;
    seen.push_back(part.text);
    if (!text.empty()) text += '-';
    text += part.text;
  }
  return text;
}

}  // namespace

ModelId parse_model_id(std::string_view id, uint64_t parameters) {
  ModelId result;
  if (id.find(' ') != id.npos) {  // a sentence rather than a name
    result.name = id;
    return result;
  }
  const size_t slash = id.find('/');
  if (slash != id.npos && id.front() != '.') result.organization = id.substr(0, slash);
  result.name = slash == id.npos ? id : id.substr(slash + 1);

  std::vector<Part> parts;
  for (const std::string& text : split(result.name, '-'))
    parts.push_back(classify(text, parts.empty(), parameters));
  prefer_numbers(parts);
  find_basename(parts);

  result.size_label = joined(parts, [](Kind kind) { return kind == Kind::Size; });
  result.finetune = joined(parts, [](Kind kind) { return kind == Kind::Purpose; });
  result.version = joined(parts, [](Kind kind) { return kind == Kind::Version; });
  // A name of which nothing else is known is no base name.
  if (!result.size_label.empty() || !result.finetune.empty() || !result.version.empty())
    result.basename = joined(
        parts, [](Kind kind) { return kind == Kind::Basename || kind == Kind::BasenameVersion; });
  return result;
}

std::string title_of(std::string_view id) {
  std::string spaced(id);
  std::ranges::replace(spaced, '-', ' ');
  std::string title;
  for (std::string word : split(spaced, ' ')) {
    const bool has_upper = std::ranges::any_of(word, is_upper);
    const bool is_number = is_digit(word.front()) || (word.front() == 'v' && is_version(word));
    if (!has_upper && !is_number)
      for (size_t i = 0; i < word.size(); ++i)
        if (i == 0 || !is_letter(word[i - 1])) word[i] = to_upper(word[i]);
    if (!title.empty()) title += ' ';
    title += word;
  }
  return title;
}

}  // namespace stkit::gguf_export
