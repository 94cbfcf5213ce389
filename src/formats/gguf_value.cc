#include "formats/gguf_value.h"

namespace stkit {
namespace {

struct TypeRow {
  std::string_view name;
  uint8_t bytes;
};

constexpr TypeRow kTypes[kGgufTypeCount] = {
    {"u8", 1},   {"i8", 1},     {"u16", 2},   {"i16", 2}, {"u32", 4}, {"i32", 4}, {"f32", 4},
    {"bool", 1}, {"string", 0}, {"array", 0}, {"u64", 8}, {"i64", 8}, {"f64", 8},
};

const TypeRow& row(GgufType type) { return kTypes[static_cast<size_t>(type)]; }

}  // namespace

std::string_view name(GgufType type) { return row(type).name; }

size_t size_bytes(GgufType type) { return row(type).bytes; }

const GgufValue* find(std::span<const GgufEntry> metadata, std::string_view key) {
  for (size_t i = metadata.size(); i-- > 0;)
    if (metadata[i].key == key) return &metadata[i].value;
  return nullptr;
}

std::optional<uint64_t> as_uint(const GgufValue* value) {
  if (value == nullptr) return std::nullopt;
  return std::visit(
      []<class T>(const T& v) -> std::optional<uint64_t> {
        if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>)
          if (std::in_range<uint64_t>(v)) return static_cast<uint64_t>(v);
        return std::nullopt;
      },
      *value);
}

std::optional<double> as_number(const GgufValue* value) {
  if (value == nullptr) return std::nullopt;
  return std::visit(
      []<class T>(const T& v) -> std::optional<double> {
        if constexpr (std::is_arithmetic_v<T> && !std::is_same_v<T, bool>)
          return static_cast<double>(v);
        else
          return std::nullopt;
      },
      *value);
}

std::optional<bool> as_bool(const GgufValue* value) {
  const bool* const held = value == nullptr ? nullptr : std::get_if<bool>(value);
  return held == nullptr ? std::nullopt : std::optional(*held);
}

std::optional<std::string_view> as_string(const GgufValue* value) {
  const auto* const held = value == nullptr ? nullptr : std::get_if<std::string_view>(value);
  return held == nullptr ? std::nullopt : std::optional(*held);
}

const GgufArray* as_array(const GgufValue* value, GgufType element) {
  const auto* const held = value == nullptr ? nullptr : std::get_if<GgufArray>(value);
  return held == nullptr || held->element != element ? nullptr : held;
}

}  // namespace stkit
