#include "ops/quantize/metadata_override.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "formats/gguf_rules.h"
#include "stkit/text.h"

namespace stkit {
namespace {

constexpr std::string_view kTypes =
    "u8, i8, u16, i16, u32, i32, f32, bool, string, u64, i64 and f64";

std::optional<GgufType> parse_type(std::string_view text) {
  for (uint32_t i = 0; i < kGgufTypeCount; ++i)
    if (const auto type = static_cast<GgufType>(i); type != GgufType::Array && name(type) == text)
      return type;
  return std::nullopt;
}

template <class T>
std::optional<GgufValue> parse_as(std::string_view text) {
  T number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<GgufValue> parse_value(GgufType type, std::string_view text) {
  switch (type) {
    case GgufType::U8: return parse_as<uint8_t>(text);
    case GgufType::I8: return parse_as<int8_t>(text);
    case GgufType::U16: return parse_as<uint16_t>(text);
    case GgufType::I16: return parse_as<int16_t>(text);
    case GgufType::U32: return parse_as<uint32_t>(text);
    case GgufType::I32: return parse_as<int32_t>(text);
    case GgufType::F32: return parse_as<float>(text);
    case GgufType::U64: return parse_as<uint64_t>(text);
    case GgufType::I64: return parse_as<int64_t>(text);
    case GgufType::F64: return parse_as<double>(text);
    case GgufType::String: return text;
    case GgufType::Bool:
      if (text == "true") return true;
      if (text == "false") return false;
      return std::nullopt;
    case GgufType::Array: break;
  }
  return std::nullopt;
}

Result<void> apply(const std::string& key, std::string_view typed,
                   std::vector<GgufEntry>& entries) {
  const auto wrong = [&](const std::string& what, std::string hint) {
    return fail(ErrorCode::Usage, fmt::format("--metadata {}: {}", printable(key), what),
                std::move(hint));
  };
  if (key.empty()) return wrong("the key is empty", "KEY=TYPE:VALUE");
  if (key == kGgufAlignmentKey)
    return wrong("the alignment of tensors cannot be changed", "it is 32");
  const size_t colon = typed.find(':');
  const std::string_view type_name = typed.substr(0, colon);
  const auto type = parse_type(type_name);
  if (!type || colon == typed.npos)
    return wrong(fmt::format("'{}' is no TYPE:VALUE", printable(typed)),
                 fmt::format("types are {}", kTypes));
  const std::string_view text = typed.substr(colon + 1);
  const std::optional<GgufValue> value = parse_value(*type, text);
  if (!value)
    return wrong(fmt::format("'{}' is no value of type {}", printable(text), type_name),
                 "numbers in decimal, flags as true or false");
  const auto there = std::ranges::find(entries, std::string_view(key), &GgufEntry::key);
  if (there == entries.end()) {
    entries.push_back({key, *value});
    return {};
  }
  if (type_of(there->value) != *type)
    return wrong(
        fmt::format("the key is of type {}, not {}", name(type_of(there->value)), type_name),
        "loaders refuse a key of another type");
  there->value = *value;
  return {};
}

}  // namespace

Result<void> apply_overrides(std::span<const std::pair<std::string, std::string>> overrides,
                             std::vector<GgufEntry>& entries) {
  for (const auto& [key, typed] : overrides) STKIT_TRY(apply(key, typed, entries));
  return {};
}

}  // namespace stkit
