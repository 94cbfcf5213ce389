// JSON in. Strict (RFC 8259), iterative or depth-limited, and duplicate keys are seen: an object is
// a sequence of (key, value), in the order of the text. The only user of simdjson.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/function_ref.h"
#include "stkit/error.h"

namespace stkit {

enum class JsonType : uint8_t { Null, Bool, Number, String, Array, Object };
std::string_view name(JsonType type);

// Bytes that a parser may read past the end of its input.
inline constexpr size_t kJsonPadding = 64;

// Nested deeper than this is refused, as serde_json does.
inline constexpr unsigned kJsonMaxDepth = 127;

class JsonDocument;  // of the parser, inside json_reader.cc

// One value of a document that is being read from front to back, for documents too large to hold
// as a tree. Consume it at most once: by object, array, one of the scalars, or skip.
//
// A value of another type than was asked for is an error that names both, and leaves the value
// unconsumed: the caller may return the error or note it and go on. An error in the syntax ends
// the document: every later call, and read_json itself, fails with it.
class JsonCursor {
 public:
  // By the first character alone: `nul` has type Null, and fails when it is consumed. So does what
  // no value starts with.
  JsonType type() const;

  // Calls `field` for every member, duplicates included. A value that the callback did not consume
  // is skipped. `key` is unescaped and valid until the document is gone; a key without escapes is
  // a view into the text.
  Result<void> object(FunctionRef<Result<void>(std::string_view key, JsonCursor value)> field);
  Result<void> array(FunctionRef<Result<void>(JsonCursor element)> element);

  Result<std::string_view> string();  // as `key` above
  // A whole number written as such: 3, but not -0, 3.0, 3e0 or 2^64.
  Result<uint64_t> uint();
  std::optional<uint64_t> try_uint();  // the same without the cost of a message
  Result<double> number();
  Result<bool> boolean();
  // Reads past the value and everything in it, checking its syntax all the same.
  Result<void> skip();

 private:
  friend class JsonDocument;
  JsonDocument* document_ = nullptr;
  unsigned depth_ = 0;                  // containers around it; the root itself has 0
  alignas(8) unsigned char value_[32];  // the parser's own value type; unused for the root
};

// Parses `text`, which must be followed by kJsonPadding readable bytes, and hands the root to
// `root`. Fails with Corrupt on any violation of JSON anywhere in the text, BOM and trailing
// characters included, and on numbers beyond the range of a double; the message names the byte.
// Takes up to 4 bytes of memory for each bracket, comma, colon and scalar of the text.
Result<void> read_json(std::string_view padded_text, FunctionRef<Result<void>(JsonCursor)> root);

// A small document as a tree: config.json, an index's metadata, a tokenizer's settings.
class JsonValue {
 public:
  using Member = std::pair<std::string, JsonValue>;

  // Copies what it needs of `text`.
  static Result<JsonValue> parse(std::string_view text);
  // A small part of a document that is being read from front to back.
  static Result<JsonValue> read(JsonCursor cursor);

  JsonType type() const { return type_; }
  bool is_null() const { return type_ == JsonType::Null; }
  // The last member of that name (as Python's json does), or null. Works on any type.
  const JsonValue* find(std::string_view key) const;

  const std::vector<Member>& members() const { return members_; }
  const std::vector<JsonValue>& elements() const { return elements_; }
  // Nothing when the value is of another type (or not a whole number in range).
  std::optional<std::string_view> as_string() const;
  std::optional<uint64_t> as_uint() const;
  std::optional<double> as_number() const;
  std::optional<bool> as_bool() const;

 private:
  friend struct JsonTreeBuilder;
  JsonType type_ = JsonType::Null;
  bool bool_ = false;
  bool is_uint_ = false;
  uint64_t uint_ = 0;
  double number_ = 0;
  std::string string_;
  std::vector<Member> members_;
  std::vector<JsonValue> elements_;
};

}  // namespace stkit
