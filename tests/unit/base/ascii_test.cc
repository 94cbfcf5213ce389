#include "base/ascii.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "stkit/text.h"

namespace stkit {
namespace {

// Bytes as they sort in the table: what is between and beside the runs of letters and digits.
TEST(Ascii, TellsEveryByteApart) {
  const std::string upper = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", lower = "abcdefghijklmnopqrstuvwxyz";
  const std::string digits = "0123456789";
  const std::string hex = "0123456789abcdef0123456789ABCDEF";
  for (int byte = std::numeric_limits<char>::min(); byte <= std::numeric_limits<char>::max();
       ++byte) {
    const char c = static_cast<char>(byte);
    const auto in = [&](const std::string& set) { return set.find(c) != std::string::npos; };
    EXPECT_EQ(ascii::is_upper(c), in(upper)) << byte;
    EXPECT_EQ(ascii::is_lower(c), in(lower)) << byte;
    EXPECT_EQ(ascii::is_digit(c), in(digits)) << byte;
    EXPECT_EQ(ascii::is_letter(c), in(upper) || in(lower)) << byte;
    EXPECT_EQ(ascii::is_alphanumeric(c), in(upper + lower + digits)) << byte;
    EXPECT_EQ(ascii::to_lower(c), in(upper) ? lower[upper.find(c)] : c) << byte;
    EXPECT_EQ(ascii::to_upper(c), in(lower) ? upper[lower.find(c)] : c) << byte;
    EXPECT_EQ(ascii::hex_value(c), in(hex) ? static_cast<int>(hex.find(c) % 16) : -1) << byte;
    EXPECT_EQ(ascii::is_hex_digit(c), in(hex)) << byte;
  }
}

TEST(Ascii, LooksAtWholeTexts) {
  EXPECT_TRUE(ascii::all_digits("0019"));
  EXPECT_FALSE(ascii::all_digits("12a"));
  EXPECT_TRUE(ascii::all_digits(""));
  EXPECT_TRUE(ascii::all_hex_digits("09afAF"));
  EXPECT_FALSE(ascii::all_hex_digits("0x10"));
}

TEST(Ascii, ComparesInAnyCase) {
  EXPECT_TRUE(ascii::equal_ignoring_case("Content-Length", "content-LENGTH"));
  EXPECT_FALSE(ascii::equal_ignoring_case("content", "content-length"));
  EXPECT_FALSE(ascii::equal_ignoring_case("[", "{"));
  EXPECT_TRUE(ascii::starts_with_ignoring_case("<!DOCTYPE html>", "<!doctype"));
  EXPECT_TRUE(ascii::starts_with_ignoring_case("abc", ""));
  EXPECT_FALSE(ascii::starts_with_ignoring_case("<!doc", "<!doctype"));
}

// The case of "İ" and "ı" is the locale's; a name keeps its bytes.
TEST(Ascii, LowerCaseLeavesOtherBytesAlone) {
  EXPECT_EQ(lower_case("Q4_K-\xC4\xB0I\xC3\x89"), "q4_k-\xC4\xB0i\xC3\x89");
  EXPECT_EQ(lower_case(""), "");
}

}  // namespace
}  // namespace stkit
