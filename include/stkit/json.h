// JSON out: the only place where strings are escaped and numbers become text. Locale-independent.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace stkit {

// Appends to a string of the caller's. Commas and indentation come by themselves.
//
//   JsonWriter json(out);
//   json.begin_object();
//   json.field("name", "model").field("bytes", 42);
//   json.key("shape").begin_array().value(2).value(3).end_array();
//   json.end_object();
//
// A document too large for memory: with `flush`, which is called between values whenever the string
// holds more than kFlushBytes and must empty it; what is left at the end is the caller's to write.
//
// REQUIRES: calls that form one JSON value. Invalid UTF-8 becomes U+FFFD; NaN and infinities,
// which JSON cannot say, become null.
class JsonWriter {
 public:
  using Flush = std::function<void(std::string& text)>;
  static constexpr size_t kFlushBytes = 64 * 1024;

  explicit JsonWriter(std::string& out, unsigned indent_spaces = 0, Flush flush = {})
      : out_(out), indent_spaces_(indent_spaces), flush_(std::move(flush)) {}

  JsonWriter& begin_object() { return open('{'); }
  JsonWriter& end_object() { return close('}'); }
  JsonWriter& begin_array() { return open('['); }
  JsonWriter& end_array() { return close(']'); }
  JsonWriter& key(std::string_view name);

  JsonWriter& value(std::string_view text);
  JsonWriter& value(const char* text) { return value(std::string_view(text)); }
  JsonWriter& value(const std::string& text) { return value(std::string_view(text)); }
  JsonWriter& value(bool yes);
  JsonWriter& value(double number);  // the shortest text that reads back as the same double
  template <std::integral T>
    requires(!std::same_as<T, bool>)
  JsonWriter& value(T number) {
    if constexpr (std::is_signed_v<T>)
      return signed_value(static_cast<int64_t>(number));
    else
      return unsigned_value(static_cast<uint64_t>(number));
  }
  JsonWriter& null();
  // A value that is JSON text already.
  JsonWriter& raw(std::string_view json);

  template <class T>
  JsonWriter& field(std::string_view name, const T& content) {
    key(name);
    return value(content);
  }

 private:
  JsonWriter& open(char bracket);
  JsonWriter& close(char bracket);
  JsonWriter& signed_value(int64_t number);
  JsonWriter& unsigned_value(uint64_t number);
  void before_value();
  void new_line();

  std::string& out_;
  unsigned indent_spaces_;
  Flush flush_;
  std::vector<bool> has_items_;  // one per open bracket
  bool after_key_ = false;
};

}  // namespace stkit
