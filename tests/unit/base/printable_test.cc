#include <gtest/gtest.h>

#include "base/character_class.h"
#include "base/utf8.h"
#include "stkit/text.h"

namespace stkit {
namespace {

using namespace std::string_view_literals;

// T15
TEST(Printable, EscapesWhatATerminalWouldObey) {
  const struct {
    std::string_view text;
    std::string_view shown;
  } kRows[] = {
      {"model.layers.0.weight", "model.layers.0.weight"},
      {"a\nb\rc\td", "a\\nb\\rc\\td"},
      {"\x1b[2J\x1b]0;title\x07", "\\x1b[2J\\x1b]0;title\\x07"},
      {"a\0b"sv, "a\\x00b"},
      {"\x7f", "\\x7f"},
      {"\xC2\x9B"
       "31m",
       "\\u{9b}31m"},  // C1: CSI in one character
      {"\xC2\x85", "\\u{85}"},
      {"\xE2\x80\xAE"
       "gpj.exe",
       "\\u{202e}gpj.exe"},  // right-to-left override
      {"\xE2\x81\xA6", "\\u{2066}"},
      {"\xE2\x81\xA9", "\\u{2069}"},
      {"\xD8\x9C", "\\u{61c}"},
      {"a\xE2\x80\x8B"
       "b",
       "a\\u{200b}b"},
      {"\xE2\x80\x8D", "\\u{200d}"},
      {"\xE2\x80\xA8\xE2\x80\xA9", "\\u{2028}\\u{2029}"},
      {"\xEF\xBB\xBF", "\\u{feff}"},
      {"\xC2\xAD", "\\u{ad}"},
      {"\xE3\x85\xA4", "\\u{3164}"},        // Hangul filler: a letter that draws nothing
      {"\xF3\xA0\x81\x81", "\\u{e0041}"},   // a tag character
      {"\xF3\xA0\x84\x80", "\\u{e0100}"},   // a variation selector that can carry data
      {"\xFF\xC0\x80", "\\xff\\xc0\\x80"},  // invalid, overlong NUL
      {"\xED\xA0\x80", "\\xed\\xa0\\x80"},  // a surrogate
      {"\xE2\x82", "\\xe2\\x82"},           // cut off
      {"Gr\xC3\xB6\xC3\x9F"
       "e \xE6\x96\x87\xE5\xAD\x97",
       "Gr\xC3\xB6\xC3\x9F"
       "e \xE6\x96\x87\xE5\xAD\x97"},
      {"\xE2\x9D\xA4\xEF\xB8\x8F", "\xE2\x9D\xA4\xEF\xB8\x8F"},  // an ordinary emoji
      {"C:\\n", "C:\\n"},
      {"", ""},
  };
  for (const auto& row : kRows) EXPECT_EQ(printable(row.text), row.shown);
}

// T15
TEST(Printable, LeavesNoControlForAnyInput) {
  std::string text;
  for (unsigned a = 0; a < 256; ++a)
    for (unsigned b = 0; b < 256; ++b) {
      text += static_cast<char>(a);
      text += static_cast<char>(b);
    }
  const std::string shown = printable(text);
  for (std::string_view rest = shown; !rest.empty();) {
    const Utf8Char c = decode_utf8(rest);
    ASSERT_TRUE(c.valid);
    ASSERT_NE(classify(c.code), CharacterClass::Hidden) << static_cast<uint32_t>(c.code);
    rest.remove_prefix(c.length);
  }
}

// T15
TEST(PrintableCut, CutsAMegabyteInItsMiddle) {
  const std::string name = "model." + std::string(1'000'000, 'y') + ".weight";
  EXPECT_EQ(printable(name, 21), "model.yyyy…yyy.weight");
  EXPECT_EQ(display_width(printable(std::string(1'000'000, '\x1b'), 80)), 77u)
      << "an escape is never cut apart";
}

// T15
TEST(PrintableCut, CutsAMegabyteThatTakesNoCells) {
  std::string accents;
  while (accents.size() < 1'000'000) accents += "\u0301";
  EXPECT_LT(printable("a" + accents + "b", 80).size(), 10'000u);
  std::string wide;
  while (wide.size() < 1'000'000) wide += "文";
  EXPECT_EQ(printable(wide, 8), "文文…文") << "no character is cut apart";
}

TEST(PrintableCut, FitsExactlyOrIsCut) {
  EXPECT_EQ(printable("abcdef", 6), "abcdef");
  EXPECT_EQ(printable("abcdef", 5), "ab…ef");
  EXPECT_EQ(printable("abcdef", 4), "ab…f");
  EXPECT_EQ(printable("abcdef", 2), "a…");
  EXPECT_EQ(printable("abcdef", 1), "…");
  EXPECT_EQ(printable("abcdef", 0), "");
  EXPECT_EQ(printable("", 0), "");
}

TEST(PrintableCut, NeverTakesMoreCellsThanItMay) {
  const std::string_view kTexts[] = {
      "文字化け文字化け", "a\u0301e\u0301i\u0301o\u0301u\u0301n\u0301", "a\nb\x1b\xFF문자"};
  for (const std::string_view text : kTexts)
    for (size_t columns = 0; columns < 24; ++columns) {
      const std::string cut = printable(text, columns);
      EXPECT_LE(display_width(cut), columns) << cut;
      EXPECT_GE(display_width(cut) + 8, std::min(columns, display_width(printable(text)))) << cut;
    }
  EXPECT_EQ(printable("文字化け", 6), "文…け") << "wide characters do not fit halfway";
  EXPECT_EQ(printable("abcde\u0301", 3), "a…e\u0301");
}

TEST(DisplayWidth, CountsCells) {
  EXPECT_EQ(display_width(""), 0u);
  EXPECT_EQ(display_width("abc"), 3u);
  EXPECT_EQ(display_width("Größe"), 5u);
  EXPECT_EQ(display_width("文字"), 4u);
  EXPECT_EQ(display_width("한글"), 4u);
  EXPECT_EQ(display_width("e\u0301"), 1u);
  EXPECT_EQ(display_width("🚀"), 2u);
  EXPECT_EQ(display_width("█▏─"), 3u);
  EXPECT_EQ(display_width("\xFF"), 1u) << "shown as a replacement character";
  EXPECT_EQ(display_width("\x1b"), 0u);
}

}  // namespace
}  // namespace stkit
