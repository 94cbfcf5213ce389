#include <fmt/format.h>

#include <string>

#include "base/json_cost.h"
#include "base/json_reader.h"
#include "stkit/text.h"

namespace stkit {

struct JsonTreeBuilder {
  static Result<JsonValue> build(JsonCursor cursor) {
    JsonValue value;
    value.type_ = cursor.type();
    switch (value.type_) {
      case JsonType::Null: STKIT_TRY(cursor.skip()); break;
      case JsonType::Bool: {
        STKIT_ASSIGN(value.bool_, cursor.boolean());
        break;
      }
      case JsonType::Number: STKIT_TRY(number(cursor, value)); break;
      case JsonType::String: {
        STKIT_ASSIGN(value.string_, cursor.string());
        break;
      }
      case JsonType::Array:
        STKIT_TRY(cursor.array([&](JsonCursor element) -> Result<void> {
          STKIT_ASSIGN(JsonValue child, build(element));
          value.elements_.push_back(std::move(child));
          return {};
        }));
        break;
      case JsonType::Object:
        STKIT_TRY(cursor.object([&](std::string_view key, JsonCursor member) -> Result<void> {
          STKIT_ASSIGN(JsonValue child, build(member));
          value.members_.emplace_back(std::string(key), std::move(child));
          return {};
        }));
        break;
    }
    return value;
  }

  static Result<void> number(JsonCursor cursor, JsonValue& value) {
    if (const auto whole = cursor.try_uint()) {
      value.is_uint_ = true;
      value.uint_ = *whole;
      value.number_ = static_cast<double>(*whole);
      return {};
    }
    STKIT_ASSIGN(value.number_, cursor.number());
    return {};
  }
};

// A node takes a hundred bytes. The largest of these documents, label maps of tens of thousands of
// classes, stay far below.
constexpr uint64_t kMaxTreeTokens = 1'000'000;

Result<JsonValue> JsonValue::parse(std::string_view text) {
  if (const uint64_t tokens = measure_json(text).tokens; tokens > kMaxTreeTokens)
    return fail(ErrorCode::Unsupported,
                fmt::format("{} tokens of JSON are more than the {} that are read",
                            format_grouped(tokens), format_grouped(kMaxTreeTokens)));
  std::string padded(text);
  padded.append(kJsonPadding, '\0');
  JsonValue value;
  STKIT_TRY(read_json(std::string_view(padded).substr(0, text.size()),
                      [&](JsonCursor root) -> Result<void> {
                        STKIT_ASSIGN(value, JsonTreeBuilder::build(root));
                        return {};
                      }));
  return value;
}

Result<JsonValue> JsonValue::read(JsonCursor cursor) { return JsonTreeBuilder::build(cursor); }

const JsonValue* JsonValue::find(std::string_view key) const {
  for (auto member = members_.rbegin(); member != members_.rend(); ++member)
    if (member->first == key) return &member->second;
  return nullptr;
}

std::optional<std::string_view> JsonValue::as_string() const {
  if (type_ != JsonType::String) return std::nullopt;
  return string_;
}

std::optional<uint64_t> JsonValue::as_uint() const {
  if (!is_uint_) return std::nullopt;
  return uint_;
}

std::optional<double> JsonValue::as_number() const {
  if (type_ != JsonType::Number) return std::nullopt;
  return number_;
}

std::optional<bool> JsonValue::as_bool() const {
  if (type_ != JsonType::Bool) return std::nullopt;
  return bool_;
}

}  // namespace stkit
