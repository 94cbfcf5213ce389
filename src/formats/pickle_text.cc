#include "formats/pickle_text.h"

#include <algorithm>
#include <charconv>
#include <cstdint>

#include "base/utf8.h"

namespace stkit {
namespace {

// `digits` characters of `text` from `at` on as a number of that base.
std::optional<uint32_t> number_at(std::string_view text, size_t at, size_t digits, int base) {
  if (at + digits > text.size()) return std::nullopt;
  const char* const first = text.data() + at;
  uint32_t value = 0;
  const auto [end, error] = std::from_chars(first, first + digits, value, base);
  if (error != std::errc() || end != first + digits) return std::nullopt;
  return value;
}

void append_utf8(std::string& out, uint32_t code) {
  const auto add = [&](uint32_t byte) { out += static_cast<char>(byte); };
  if (code < 0x80) {
    add(code);
  } else if (code < 0x800) {
    add(0xC0 | code >> 6), add(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    add(0xE0 | code >> 12), add(0x80 | (code >> 6 & 0x3F)), add(0x80 | (code & 0x3F));
  } else {
    add(0xF0 | code >> 18), add(0x80 | (code >> 12 & 0x3F));
    add(0x80 | (code >> 6 & 0x3F)), add(0x80 | (code & 0x3F));
  }
}

}  // namespace

std::optional<std::string> unescape_python_string(std::string_view quoted) {
  if (quoted.size() < 2 || (quoted.front() != '\'' && quoted.front() != '"') ||
      quoted.back() != quoted.front())
    return std::nullopt;
  const std::string_view text = quoted.substr(1, quoted.size() - 2);
  constexpr std::string_view kLetters = "abfnrtv\\'\"";
  constexpr std::string_view kMeanings = "\a\b\f\n\r\t\v\\'\"";
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      out += text[i];
      continue;
    }
    if (++i == text.size()) return std::nullopt;
    const size_t letter = kLetters.find(text[i]);
    if (letter != std::string_view::npos) {
      out += kMeanings[letter];
    } else if (text[i] == 'x') {
      const auto byte = number_at(text, i + 1, 2, 16);
      if (!byte) return std::nullopt;
      out += static_cast<char>(*byte);
      i += 2;
    } else if (text[i] >= '0' && text[i] <= '7') {
      size_t digits = 1;
      while (digits < 3 && i + digits < text.size() && text[i + digits] >= '0' &&
             text[i + digits] <= '7')
        ++digits;
      out += static_cast<char>(*number_at(text, i, digits, 8));
      i += digits - 1;
    } else {
      (out += '\\') += text[i];  // as Python does with what it does not know
    }
  }
  return out;
}

std::optional<std::string> unescape_raw_unicode(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool wide = text.substr(i).starts_with("\\U");
    if (!wide && !text.substr(i).starts_with("\\u")) {
      append_utf8(out, static_cast<unsigned char>(text[i]));
      continue;
    }
    const size_t digits = wide ? 8 : 4;
    const auto code = number_at(text, i + 2, digits, 16);
    if (!code || *code > 0x10FFFF) return std::nullopt;
    append_utf8(out, *code);
    i += 1 + digits;
  }
  return out;
}

std::optional<std::string> latin1_bytes(std::string_view utf8) {
  std::string out;
  out.reserve(utf8.size());
  for (size_t i = 0; i < utf8.size();) {
    const Utf8Char c = decode_utf8(utf8.substr(i));
    if (!c.valid || c.code > 0xFF) return std::nullopt;
    out += static_cast<char>(c.code);
    i += c.length;
  }
  return out;
}

std::optional<std::string> parse_big_integer(std::string_view decimal) {
  constexpr size_t kMaxDigits = 1000;  // the work grows with the square
  const bool negative = decimal.starts_with('-');
  if (negative) decimal.remove_prefix(1);
  if (decimal.empty() || decimal.size() > kMaxDigits) return std::nullopt;
  std::string bytes(1, '\0');
  for (const char digit : decimal) {
    if (digit < '0' || digit > '9') return std::nullopt;
    uint32_t carry = static_cast<uint32_t>(digit - '0');
    for (char& byte : bytes) {
      carry += static_cast<unsigned char>(byte) * 10u;
      byte = static_cast<char>(carry & 0xFF);
      carry >>= 8;
    }
    if (carry != 0) bytes += static_cast<char>(carry);
  }
  if ((bytes.back() & 0x80) != 0) bytes += '\0';  // room for the sign
  if (!negative) return bytes;
  uint32_t carry = 1;
  for (char& byte : bytes) {
    carry += static_cast<unsigned char>(~byte);
    byte = static_cast<char>(carry & 0xFF);
    carry >>= 8;
  }
  return bytes;
}

}  // namespace stkit
