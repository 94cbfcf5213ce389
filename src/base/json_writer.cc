#include <fmt/format.h>

#include <cmath>
#include <iterator>

#include "base/utf8.h"
#include "stkit/json.h"

namespace stkit {
namespace {

void append_escaped(std::string& out, std::string_view text) {
  out += '"';
  size_t clean_from = 0;
  for (size_t i = 0; i < text.size();) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\') {
      ++i;
      continue;
    }
    const Utf8Char c = decode_utf8(text.substr(i));
    if (byte >= 0x80 && c.valid) {
      i += c.length;
      continue;
    }
    out.append(text, clean_from, i - clean_from);
    switch (byte) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\b': out += "\\b"; break;
      case '\f': out += "\\f"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      default:
        if (byte < 0x20)
          fmt::format_to(std::back_inserter(out), "\\u{:04x}", byte);
        else
          out += "\xEF\xBF\xBD";  // U+FFFD
    }
    i += c.length;
    clean_from = i;
  }
  out.append(text, clean_from, std::string_view::npos);
  out += '"';
}

}  // namespace

void JsonWriter::new_line() {
  if (indent_spaces_ == 0) return;
  out_ += '\n';
  out_.append(has_items_.size() * indent_spaces_, ' ');
}

void JsonWriter::before_value() {
  if (flush_ && out_.size() > kFlushBytes) flush_(out_);
  if (after_key_) {
    after_key_ = false;
    return;
  }
  if (has_items_.empty()) return;
  if (has_items_.back()) out_ += ',';
  has_items_.back() = true;
  new_line();
}

JsonWriter& JsonWriter::open(char bracket) {
  before_value();
  out_ += bracket;
  has_items_.push_back(false);
  return *this;
}

JsonWriter& JsonWriter::close(char bracket) {
  const bool had_items = has_items_.back();
  has_items_.pop_back();
  if (had_items) new_line();
  out_ += bracket;
  return *this;
}

JsonWriter& JsonWriter::key(std::string_view name) {
  before_value();
  append_escaped(out_, name);
  out_ += indent_spaces_ == 0 ? ":" : ": ";
  after_key_ = true;
  return *this;
}

JsonWriter& JsonWriter::value(std::string_view text) {
  before_value();
  append_escaped(out_, text);
  return *this;
}

JsonWriter& JsonWriter::value(bool yes) { return raw(yes ? "true" : "false"); }

JsonWriter& JsonWriter::value(double number) {
  if (!std::isfinite(number)) return null();
  before_value();
  fmt::format_to(std::back_inserter(out_), "{}", number);
  return *this;
}

JsonWriter& JsonWriter::null() { return raw("null"); }

JsonWriter& JsonWriter::raw(std::string_view json) {
  before_value();
  out_ += json;
  return *this;
}

JsonWriter& JsonWriter::signed_value(int64_t number) {
  before_value();
  fmt::format_to(std::back_inserter(out_), "{}", number);
  return *this;
}

JsonWriter& JsonWriter::unsigned_value(uint64_t number) {
  before_value();
  fmt::format_to(std::back_inserter(out_), "{}", number);
  return *this;
}

}  // namespace stkit
