// Metadata of a GGUF file: keys with typed values, as views into storage that the owner keeps.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <ranges>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

namespace stkit {

// The numbers are those of the format.
enum class GgufType : uint8_t {
  U8,
  I8,
  U16,
  I16,
  U32,
  I32,
  F32,
  Bool,
  String,
  Array,
  U64,
  I64,
  F64,
};
inline constexpr uint32_t kGgufTypeCount = 13;

std::string_view name(GgufType type);  // "u8", "string"
// Bytes of a value in the file; 0 for strings and arrays, whose size is their own.
size_t size_bytes(GgufType type);

struct GgufArray {
  GgufType element = GgufType::U8;
  // Of every element type but strings: little-endian, back to back, at any alignment.
  std::span<const std::byte> numbers = {};
  std::span<const std::string_view> strings = {};

  size_t size() const {
    return element == GgufType::String ? strings.size() : numbers.size() / size_bytes(element);
  }
  // REQUIRES: T is the type of the elements; i < size().
  template <class T>
    requires std::is_arithmetic_v<T>
  T number(size_t i) const {
    T value;
    std::memcpy(&value, numbers.data() + i * sizeof(T), sizeof(T));
    return value;
  }
};

// The alternatives are in the order of GgufType.
using GgufValue = std::variant<uint8_t, int8_t, uint16_t, int16_t, uint32_t, int32_t, float, bool,
                               std::string_view, GgufArray, uint64_t, int64_t, double>;
static_assert(std::variant_size_v<GgufValue> == kGgufTypeCount);

inline GgufType type_of(const GgufValue& value) { return static_cast<GgufType>(value.index()); }

struct GgufEntry {
  std::string_view key;
  GgufValue value;
};

// The value of the last entry with that key, or null.
const GgufValue* find(std::span<const GgufEntry> metadata, std::string_view key);

// What writers disagree about is forgiven: a whole number of any integer type, when it fits.
// Nothing for a value of another kind or no value at all.
std::optional<uint64_t> as_uint(const GgufValue* value);
std::optional<double> as_number(const GgufValue* value);  // integers and floats
std::optional<bool> as_bool(const GgufValue* value);
std::optional<std::string_view> as_string(const GgufValue* value);
// An array of that very element type, or null.
const GgufArray* as_array(const GgufValue* value, GgufType element);

template <class T>
  requires std::is_arithmetic_v<T>
constexpr GgufType gguf_type_of() {
  constexpr bool kSigned = std::is_signed_v<T>;
  if (std::is_same_v<T, bool>) return GgufType::Bool;
  if (std::is_floating_point_v<T>) return sizeof(T) == 4 ? GgufType::F32 : GgufType::F64;
  if (sizeof(T) == 1) return kSigned ? GgufType::I8 : GgufType::U8;
  if (sizeof(T) == 2) return kSigned ? GgufType::I16 : GgufType::U16;
  if (sizeof(T) == 4) return kSigned ? GgufType::I32 : GgufType::U32;
  return kSigned ? GgufType::I64 : GgufType::U64;
}

// Numbers or string_views as an array, without copying them: they must outlive it.
template <std::ranges::contiguous_range Items>
  requires std::ranges::borrowed_range<Items>
GgufArray gguf_array(Items&& items) {
  using T = std::ranges::range_value_t<Items>;
  const std::span<const T> view(items);
  if constexpr (std::is_same_v<T, std::string_view>)
    return {GgufType::String, {}, view};
  else
    return {gguf_type_of<T>(), std::as_bytes(view), {}};
}

}  // namespace stkit
