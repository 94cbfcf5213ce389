#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace stkit {

struct Utf8Char {
  char32_t code = 0;   // meaningless unless valid
  size_t length = 1;   // bytes to advance: 1 for an invalid byte
  bool valid = false;  // well-formed: no overlong forms, no surrogates, at most U+10FFFF
};

// The character that `text` starts with. REQUIRES: text is not empty.
inline Utf8Char decode_utf8(std::string_view text) {
  const auto at = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = at(0);
  if (lead < 0x80) return {lead, 1, true};
  const size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < length) return {};
  char32_t code = lead & (0xFFu >> (length + 1));
  for (size_t i = 1; i < length; ++i) {
    if ((at(i) & 0xC0) != 0x80) return {};
    code = code << 6 | (at(i) & 0x3Fu);
  }
  constexpr char32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  if (code < kSmallest[length] || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) return {};
  return {code, length, true};
}

// The offset of the first byte that is not part of well-formed UTF-8; text.size() when all are.
inline size_t first_invalid_utf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    if (static_cast<unsigned char>(text[i]) < 0x80) {
      ++i;
      continue;
    }
    const Utf8Char c = decode_utf8(text.substr(i));
    if (!c.valid) return i;
    i += c.length;
  }
  return text.size();
}

inline bool is_utf8(std::string_view text) { return first_invalid_utf8(text) == text.size(); }

}  // namespace stkit
