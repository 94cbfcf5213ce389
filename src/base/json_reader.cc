#include "base/json_reader.h"

#define SIMDJSON_EXCEPTIONS 0
#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <type_traits>

#include "base/ascii.h"
#include "base/check.h"
#include "base/utf8.h"

namespace stkit {
namespace ondemand = simdjson::ondemand;

static_assert(kJsonPadding >= simdjson::SIMDJSON_PADDING);

namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

std::string_view describe(simdjson::error_code code) {
  switch (code) {
    case simdjson::EMPTY: return "there is no value";
    case simdjson::UTF8_ERROR: return "invalid UTF-8";
    case simdjson::UNESCAPED_CHARS: return "a raw control character in a string";
    case simdjson::UNCLOSED_STRING: return "a string that does not end";
    case simdjson::STRING_ERROR: return "a malformed escape in a string";
    case simdjson::NUMBER_ERROR: return "a malformed number";
    case simdjson::INCOMPLETE_ARRAY_OR_OBJECT: return "an object or array that does not end";
    case simdjson::TRAILING_CONTENT: return "characters behind the value";
    default: return "a syntax error";
  }
}

// Where the scan that runs before all parsing, and which does not say, must have failed.
size_t locate(simdjson::error_code code, std::string_view text) {
  if (code == simdjson::UTF8_ERROR) return first_invalid_utf8(text);
  size_t string_start = text.size();
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"') {
      in_string = !in_string;
      string_start = i;
    } else if (in_string && c == '\\') {
      ++i;
    } else if (in_string && static_cast<unsigned char>(c) < 0x20 &&
               code == simdjson::UNESCAPED_CHARS) {
      return i;
    }
  }
  return in_string ? string_start : text.size();
}

// Behind the bracket that closes the first one, kinds not told apart; the end when there is none.
size_t end_of_container(std::string_view text) {
  size_t depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string && c == '\\')
      ++i;
    else if (c == '"')
      in_string = !in_string;
    else if (!in_string && (c == '{' || c == '['))
      ++depth;
    else if (!in_string && (c == '}' || c == ']') && --depth == 0)
      return i + 1;
  }
  return text.size();
}

std::optional<JsonType> type_of(char first) {
  switch (first) {
    case '{': return JsonType::Object;
    case '[': return JsonType::Array;
    case '"': return JsonType::String;
    case 't':
    case 'f': return JsonType::Bool;
    case 'n': return JsonType::Null;
    case '-': return JsonType::Number;
    default:
      if (ascii::is_digit(first)) return JsonType::Number;
      return std::nullopt;
  }
}

std::string_view with_article(JsonType type) {
  switch (type) {
    case JsonType::Null: return "null";
    case JsonType::Bool: return "a boolean";
    case JsonType::Number: return "a number";
    case JsonType::String: return "a string";
    case JsonType::Array: return "an array";
    case JsonType::Object: return "an object";
  }
  return {};
}

template <class T>
Result<void> without_value(Result<T> result) {
  if (!result) return std::unexpected(std::move(result).error());
  return {};
}

}  // namespace

std::string_view name(JsonType type) {
  constexpr std::string_view kNames[] = {"null", "boolean", "number", "string", "array", "object"};
  return kNames[static_cast<size_t>(type)];
}

// The parser behind all cursors of one text. simdjson's On-Demand checks only what is looked at,
// so nothing is left unlooked at: a value that a callback does not consume is walked afterwards.
class JsonDocument {
 public:
  explicit JsonDocument(std::string_view text) : text_(text) {}

  Result<void> run(FunctionRef<Result<void>(JsonCursor)> root) {
    if (text_.starts_with(kByteOrderMark)) return broken("a byte order mark", 0);
    if (const auto error = parser_
                               .iterate(simdjson::padded_string_view(text_.data(), text_.size(),
                                                                     text_.size() + kJsonPadding))
                               .get(document_)) {
      if (error == simdjson::MEMALLOC)
        return end(Error{ErrorCode::OutOfMemory,
                         fmt::format("no memory to parse {} bytes of JSON", text_.size()),
                         {},
                         {}});
      if (error == simdjson::CAPACITY)
        return end(Error{ErrorCode::Unsupported, "JSON of 4 GiB or more is not supported", {}, {}});
      return broken(describe(error), locate(error, text_));
    }
    STKIT_TRY(deliver(JsonCursor(), 0, [&](JsonCursor value) { return root(value); }));
    if (offset() != text_.size()) return broken("characters behind the value", offset());
    return {};
  }

  template <class V>
  Result<void> object(V& value, unsigned depth,
                      FunctionRef<Result<void>(std::string_view, JsonCursor)> field) {
    STKIT_TRY(begin(JsonType::Object));
    STKIT_TRY(enter(depth));
    ondemand::object members;
    if (const auto error = value.get_object().get(members)) return broken(error);
    for (auto item : members) {
      ondemand::field member;
      if (const auto error = std::move(item).get(member)) return broken(error);
      STKIT_ASSIGN(const std::string_view key, unescaped_key(member));
      STKIT_TRY(deliver(cursor(member.value(), depth + 1), depth + 1,
                        [&](JsonCursor child) { return field(key, child); }));
    }
    return {};
  }

  template <class V>
  Result<void> array(V& value, unsigned depth, FunctionRef<Result<void>(JsonCursor)> element) {
    STKIT_TRY(begin(JsonType::Array));
    STKIT_TRY(enter(depth));
    ondemand::array elements;
    if (const auto error = value.get_array().get(elements)) return broken(error);
    for (auto item : elements) {
      ondemand::value child;
      if (const auto error = std::move(item).get(child)) return broken(error);
      STKIT_TRY(deliver(cursor(child, depth + 1), depth + 1,
                        [&](JsonCursor each) { return element(each); }));
    }
    return {};
  }

  template <class V>
  Result<std::string_view> string(V& value) {
    STKIT_TRY(begin(JsonType::String));
    const char* const token = location();
    pending_ = false;
    if (const auto plain = without_escapes(token + 1)) {
      ondemand::raw_json_string ignored;
      if (const auto error = value.get_raw_json_string().get(ignored)) return broken(error);
      return *plain;
    }
    std::string_view unescaped;
    if (const auto error = value.get_string().get(unescaped)) return broken(error, token);
    return checked(unescaped, token);
  }

  template <class V>
  Result<uint64_t> uint(V& value) {
    STKIT_TRY(begin(JsonType::Number));
    if (const auto number = try_uint(value)) return *number;
    return stkit::fail(ErrorCode::Corrupt,
                       fmt::format("{} where a whole number below 2^64 is expected, at byte {}",
                                   token_text(), offset()));
  }

  template <class V>
  std::optional<uint64_t> try_uint(V& value) {
    if (failure_ || type() != JsonType::Number) return std::nullopt;
    uint64_t number = 0;
    if (value.get_uint64().get(number)) return std::nullopt;
    pending_ = false;
    return number;
  }

  template <class V>
  Result<double> number(V& value) {
    STKIT_TRY(begin(JsonType::Number));
    const char* const token = location();
    pending_ = false;
    double number = 0;
    if (const auto error = value.get_double().get(number)) return broken(error, token);
    return number;
  }

  template <class V>
  Result<bool> boolean(V& value) {
    STKIT_TRY(begin(JsonType::Bool));
    const char* const token = location();
    pending_ = false;
    bool yes = false;
    if (value.get_bool().get(yes)) return broken("a misspelt literal", offset(token));
    return yes;
  }

  template <class V>
  Result<void> null(V& value) {
    STKIT_TRY(begin(JsonType::Null));
    const char* const token = location();
    pending_ = false;
    bool is_null = false;
    if (value.is_null().get(is_null) || !is_null)
      return broken("a misspelt literal", offset(token));
    return {};
  }

  std::optional<JsonType> type() const {
    const char* const token = location();
    return token == text_.data() + text_.size() ? std::nullopt : type_of(*token);
  }

  // Calls `action` with the value or, for the root, with the document: in simdjson the two have
  // the same functions but no common type.
  template <class F>
  static auto visit(JsonCursor& cursor, F action) {
    JsonDocument& self = *cursor.document_;
    if (cursor.depth_ == 0) return action(self, self.document_);
    return action(self, *std::launder(reinterpret_cast<ondemand::value*>(cursor.value_)));
  }

  static JsonDocument& of(const JsonCursor& cursor) { return *cursor.document_; }

  Result<void> syntax_error() { return broken("a syntax error", offset()); }

 private:
  static JsonCursor cursor(ondemand::value value, unsigned depth) {
    static_assert(sizeof(ondemand::value) <= sizeof(JsonCursor::value_));
    static_assert(std::is_trivially_copyable_v<ondemand::value>);
    JsonCursor cursor;
    cursor.depth_ = depth;
    new (cursor.value_) ondemand::value(value);
    return cursor;
  }

  template <class F>
  Result<void> deliver(JsonCursor cursor, unsigned depth, F receive) {
    cursor.document_ = this;
    cursor.depth_ = depth;
    pending_ = true;
    Result<void> result = receive(cursor);
    if (failure_) return std::unexpected(*failure_);
    if (result && pending_) return cursor.skip();
    return result;
  }

  // What every reading of a value starts with.
  Result<void> begin(JsonType wanted) {
    if (failure_) return std::unexpected(*failure_);
    STKIT_CHECK(pending_);
    const auto found = type();
    if (!found) return syntax_error();
    if (*found == wanted) return {};
    return stkit::fail(ErrorCode::Corrupt,
                       fmt::format("{} where {} is expected, at byte {}", with_article(*found),
                                   with_article(wanted), offset()));
  }

  Result<void> enter(unsigned depth) {
    if (depth >= kJsonMaxDepth)
      return broken(fmt::format("nesting deeper than {} levels", kJsonMaxDepth), offset());
    pending_ = false;
    return {};
  }

  Result<std::string_view> unescaped_key(ondemand::field& member) {
    const char* const first = member.key().raw();
    if (const auto plain = without_escapes(first)) return *plain;
    std::string_view unescaped;
    if (const auto error = member.unescaped_key().get(unescaped)) return broken(error, first - 1);
    return checked(unescaped, first - 1);
  }

  // The string that starts behind its opening quote at `first`, if it is the very text up to the
  // closing one, which the scan over the whole text has made sure is there.
  std::optional<std::string_view> without_escapes(const char* first) const {
    const auto left = static_cast<size_t>(text_.data() + text_.size() - first);
    const void* const quote = std::memchr(first, '"', left);
    if (quote == nullptr) return std::nullopt;
    const auto length = static_cast<size_t>(static_cast<const char*>(quote) - first);
    if (std::memchr(first, '\\', length) != nullptr) return std::nullopt;
    return std::string_view(first, length);
  }

  // Some versions of simdjson turn \udc00 on its own into three bytes that are not UTF-8.
  Result<std::string_view> checked(std::string_view unescaped, const char* token) {
    if (!is_utf8(unescaped)) return broken("half of a surrogate pair in a string", offset(token));
    return unescaped;
  }

  std::string_view token_text() const {
    std::string_view rest = text_.substr(offset());
    return rest.substr(0, std::min(rest.find_first_of(",]} \t\r\n"), size_t{40}));
  }

  const char* location() const {
    const char* token = nullptr;
    if (document_.current_location().get(token)) return text_.data() + text_.size();
    return std::clamp(token, text_.data(), text_.data() + text_.size());
  }
  size_t offset() const { return offset(location()); }
  size_t offset(const char* token) const { return static_cast<size_t>(token - text_.data()); }

  std::unexpected<Error> broken(simdjson::error_code code) {
    // simdjson says so of any text whose last character does not close the root.
    if (code == simdjson::INCOMPLETE_ARRAY_OR_OBJECT) {
      const size_t rest = text_.find_first_not_of(" \t\r\n", end_of_container(text_));
      if (rest != std::string_view::npos) return broken(describe(simdjson::TRAILING_CONTENT), rest);
      return broken(describe(code), text_.size());
    }
    // How simdjson fails where the tokens run out depends on what follows the text in memory.
    if (offset() == text_.size())
      return broken(describe(simdjson::INCOMPLETE_ARRAY_OR_OBJECT), offset());
    return broken(describe(code), offset());
  }
  std::unexpected<Error> broken(simdjson::error_code code, const char* token) {
    return broken(describe(code), offset(token));
  }
  std::unexpected<Error> broken(std::string_view what, size_t offset_bytes) {
    return end(Error{ErrorCode::Corrupt,
                     fmt::format("not valid JSON: {} at byte {}", what, offset_bytes),
                     {},
                     {}});
  }
  std::unexpected<Error> end(Error error) {
    failure_ = std::move(error);
    return std::unexpected(*failure_);
  }

  std::string_view text_;
  ondemand::parser parser_;
  mutable ondemand::document document_;  // asking where it stands is not const in simdjson
  std::optional<Error> failure_;
  bool pending_ = false;  // a value has been handed out and is not consumed yet
};

JsonType JsonCursor::type() const {
  return JsonDocument::of(*this).type().value_or(JsonType::Null);
}

Result<void> JsonCursor::object(
    FunctionRef<Result<void>(std::string_view key, JsonCursor value)> field) {
  return JsonDocument::visit(*this, [&](JsonDocument& document, auto& value) {
    return document.object(value, depth_, field);
  });
}

Result<void> JsonCursor::array(FunctionRef<Result<void>(JsonCursor element)> element) {
  return JsonDocument::visit(*this, [&](JsonDocument& document, auto& value) {
    return document.array(value, depth_, element);
  });
}

Result<std::string_view> JsonCursor::string() {
  return JsonDocument::visit(
      *this, [](JsonDocument& document, auto& value) { return document.string(value); });
}

Result<uint64_t> JsonCursor::uint() {
  return JsonDocument::visit(
      *this, [](JsonDocument& document, auto& value) { return document.uint(value); });
}

std::optional<uint64_t> JsonCursor::try_uint() {
  return JsonDocument::visit(
      *this, [](JsonDocument& document, auto& value) { return document.try_uint(value); });
}

Result<double> JsonCursor::number() {
  return JsonDocument::visit(
      *this, [](JsonDocument& document, auto& value) { return document.number(value); });
}

Result<bool> JsonCursor::boolean() {
  return JsonDocument::visit(
      *this, [](JsonDocument& document, auto& value) { return document.boolean(value); });
}

Result<void> JsonCursor::skip() {
  const auto type = JsonDocument::of(*this).type();
  if (!type) return JsonDocument::of(*this).syntax_error();
  switch (*type) {
    case JsonType::Object:
      return object([](std::string_view, JsonCursor value) { return value.skip(); });
    case JsonType::Array: return array([](JsonCursor element) { return element.skip(); });
    case JsonType::String: return without_value(string());
    case JsonType::Number: return without_value(number());
    case JsonType::Bool: return without_value(boolean());
    case JsonType::Null: break;
  }
  return JsonDocument::visit(
      *this, [](JsonDocument& document, auto& value) { return document.null(value); });
}

Result<void> read_json(std::string_view padded_text, FunctionRef<Result<void>(JsonCursor)> root) {
  JsonDocument document(padded_text);
  return document.run(root);
}

}  // namespace stkit
