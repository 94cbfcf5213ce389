// JSON in and out: every way of reading a text agrees on whether it is JSON, and what the writer
// makes of a tree reads back as the same tree.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/json_reader.h"
#include "stkit/json.h"

namespace {

using namespace stkit;

Result<void> read(std::string_view text, char padding, FunctionRef<Result<void>(JsonCursor)> root) {
  std::string padded(text);
  padded.append(kJsonPadding, padding);
  return read_json(std::string_view(padded).substr(0, text.size()), root);
}

// Reads some values, asks for the wrong type of others and leaves the rest.
Result<void> read_some(JsonCursor value, unsigned& choice) {
  choice = choice * 1664525 + 1013904223;
  switch (choice >> 29) {
    case 0: return value.skip();
    case 1: return {};
    case 2: return static_cast<void>(value.uint()), Result<void>();
    case 3: return static_cast<void>(value.string()), Result<void>();
    default: break;
  }
  if (value.type() == JsonType::Object)
    return value.object(
        [&](std::string_view, JsonCursor member) { return read_some(member, choice); });
  if (value.type() == JsonType::Array)
    return value.array([&](JsonCursor element) { return read_some(element, choice); });
  return static_cast<void>(value.number()), Result<void>();
}

void write(const JsonValue& value, JsonWriter& json) {
  switch (value.type()) {
    case JsonType::Null: json.null(); break;
    case JsonType::Bool: json.value(*value.as_bool()); break;
    case JsonType::Number:
      if (const auto whole = value.as_uint())
        json.value(*whole);
      else
        json.value(*value.as_number());
      break;
    case JsonType::String: json.value(*value.as_string()); break;
    case JsonType::Array:
      json.begin_array();
      for (const JsonValue& element : value.elements()) write(element, json);
      json.end_array();
      break;
    case JsonType::Object:
      json.begin_object();
      for (const auto& [key, member] : value.members()) {
        json.key(key);
        write(member, json);
      }
      json.end_object();
      break;
  }
}

// A double that is whole may come back as a whole number.
bool same(const JsonValue& a, const JsonValue& b) {
  if (a.type() != b.type() || a.as_string() != b.as_string() || a.as_bool() != b.as_bool() ||
      a.as_number() != b.as_number() || (a.as_uint() && a.as_uint() != b.as_uint()) ||
      a.elements().size() != b.elements().size() || a.members().size() != b.members().size())
    return false;
  for (size_t i = 0; i < a.elements().size(); ++i)
    if (!same(a.elements()[i], b.elements()[i])) return false;
  for (size_t i = 0; i < a.members().size(); ++i)
    if (a.members()[i].first != b.members()[i].first ||
        !same(a.members()[i].second, b.members()[i].second))
      return false;
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto skip = [](JsonCursor root) { return root.skip(); };
  const auto skipped = read(text, '\0', skip);
  const auto tree = JsonValue::parse(text);
  STKIT_CHECK(skipped.has_value() == tree.has_value());
  STKIT_CHECK(tree || skipped.error().message == tree.error().message);

  // A parser that runs on into the padding would find what it looks for.
  for (const char padding : {']', '}', '"'})
    STKIT_CHECK(read(text, padding, skip).has_value() == tree.has_value());

  unsigned choice = static_cast<unsigned>(size);
  const auto some = read(text, '\0', [&](JsonCursor root) { return read_some(root, choice); });
  STKIT_CHECK(some.has_value() == tree.has_value());

  if (!tree) return 0;
  for (const unsigned indent : {0u, 2u}) {
    std::string out;
    JsonWriter json(out, indent);
    write(*tree, json);
    const auto again = JsonValue::parse(out);
    STKIT_CHECK(again && same(*tree, *again));
  }
  return 0;
}
