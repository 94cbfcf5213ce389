#include "base/utf8.h"

#include <gtest/gtest.h>

#include <string>

namespace stkit {
namespace {

std::string encode(char32_t code) {
  const auto byte = [](char32_t bits) { return static_cast<char>(bits); };
  if (code < 0x80) return {byte(code)};
  if (code < 0x800) return {byte(0xC0 | code >> 6), byte(0x80 | (code & 63))};
  if (code < 0x10000)
    return {byte(0xE0 | code >> 12), byte(0x80 | (code >> 6 & 63)), byte(0x80 | (code & 63))};
  return {byte(0xF0 | code >> 18), byte(0x80 | (code >> 12 & 63)), byte(0x80 | (code >> 6 & 63)),
          byte(0x80 | (code & 63))};
}

TEST(Utf8, EveryCodePointDecodesAndEveryTruncationDoesNot) {
  for (char32_t code = 0; code <= 0x10FFFF; ++code) {
    const std::string text = encode(code);
    const Utf8Char c = decode_utf8(text);
    const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
    const bool whole = c.valid && c.code == code && c.length == text.size();
    bool right = surrogate ? !c.valid : whole;
    for (size_t length = 1; length < text.size(); ++length)
      right = right && !decode_utf8(std::string_view(text).substr(0, length)).valid;
    if (!right) FAIL() << static_cast<uint32_t>(code);  // a million assertions take seconds
  }
}

TEST(Utf8, RefusesWhatIsMalformed) {
  for (const std::string_view text :
       {"\x80", "\xC0\x80", "\xC1\xBF", "\xE0\x80\x80", "\xE0\x9F\xBF", "\xF0\x8F\xBF\xBF",
        "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF", "\xC3(", "\xE2\x82(", "\xF0\x9F\x9A("}) {
    EXPECT_FALSE(decode_utf8(text).valid);
    EXPECT_EQ(decode_utf8(text).length, 1u);
  }
}

}  // namespace
}  // namespace stkit
