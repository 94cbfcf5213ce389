#include "stkit/text.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <clocale>
#include <limits>
#include <vector>

namespace stkit {
namespace {

constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();

TEST(ParseSize, ReadsEveryForm) {
  const struct {
    std::string_view text;
    uint64_t bytes;
  } kRows[] = {
      {"0", 0},
      {"512", 512},
      {"512B", 512},
      {"64K", 64'000},
      {"64kb", 64'000},
      {"64KiB", 65'536},
      {"64ki", 65'536},
      {"200M", 200'000'000},
      {"1.5G", 1'500'000'000},
      {"5GB", 5'000'000'000},
      {"5 GB", 5'000'000'000},
      {"2GiB", 2'147'483'648},
      {"1.5KiB", 1536},
      {"0.3K", 300},
      {"1.0019K", 1001},
      {"0.99999999999999999999999999K", 999},
      {"1T", 1'000'000'000'000},
      {"1PiB", uint64_t{1} << 50},
      {"15.5EiB", 17'870'283'321'406'128'128u},
      {"18446744073709551615", kMax},
  };
  for (const auto& row : kRows) {
    const auto bytes = parse_size(row.text);
    ASSERT_TRUE(bytes) << row.text << ": " << bytes.error().message;
    EXPECT_EQ(*bytes, row.bytes) << row.text;
  }
}

TEST(ParseSize, RefusesTheRest) {
  const struct {
    std::string_view text;
    std::string_view message;
  } kRows[] = {
      {"", "does not start with a digit"},
      {"G", "does not start with a digit"},
      {"-1", "does not start with a digit"},
      {" 1", "does not start with a digit"},
      {".5G", "does not start with a digit"},
      {"1,5G", "',5G' is not a unit"},
      {"1.G", "no digit follows the point"},
      {"1.5", "bytes have no fraction"},
      {"1.5B", "bytes have no fraction"},
      {"1X", "'X' is not a unit"},
      {"1KK", "'KK' is not a unit"},
      {"1iB", "'iB' is not a unit"},
      {"1  G", "is not a unit"},
      {"1e9", "'e9' is not a unit"},
      {"1\x1b[2J", "\\x1b[2J"},
      {"18446744073709551616", "above 16 EiB"},
      {"16EiB", "above 16 EiB"},
      {"99999999999999999999999999G", "above 16 EiB"},
  };
  for (const auto& row : kRows) {
    const auto bytes = parse_size(row.text);
    ASSERT_FALSE(bytes) << row.text;
    EXPECT_EQ(bytes.error().code, ErrorCode::Usage);
    EXPECT_NE(bytes.error().message.find(row.message), std::string::npos) << bytes.error().message;
    EXPECT_FALSE(bytes.error().hint.empty());
  }
}

TEST(FormatBytes, HasThreeDigits) {
  EXPECT_EQ(format_bytes(0), "0 B");
  EXPECT_EQ(format_bytes(1023), "1023 B");
  EXPECT_EQ(format_bytes(1024), "1 KiB");
  EXPECT_EQ(format_bytes(14'746), "14.4 KiB");
  EXPECT_EQ(format_bytes(102'350), "100 KiB");
  EXPECT_EQ(format_bytes(1'048'575), "1 MiB") << "never 1024 KiB";
  EXPECT_EQ(format_bytes(2'061'584'302), "1.92 GiB");
  EXPECT_EQ(format_bytes(kMax), "16 EiB");
}

TEST(FormatCount, IsDecimal) {
  EXPECT_EQ(format_count(0), "0");
  EXPECT_EQ(format_count(999), "999");
  EXPECT_EQ(format_count(1200), "1.2 K");
  EXPECT_EQ(format_count(494'032'768), "494 M");
  EXPECT_EQ(format_count(999'999), "1 M");
  EXPECT_EQ(format_count(7'615'616'512), "7.62 B");
  EXPECT_EQ(format_count(kMax), "18447 Q");
}

TEST(FormatGrouped, SetsCommas) {
  EXPECT_EQ(format_grouped(0), "0");
  EXPECT_EQ(format_grouped(999), "999");
  EXPECT_EQ(format_grouped(91'991), "91,991");
  EXPECT_EQ(format_grouped(kMax), "18,446,744,073,709,551,615");
}

TEST(Counted, KnowsOneFromMany) {
  EXPECT_EQ(counted(0, "tensor"), "0 tensors");
  EXPECT_EQ(counted(1, "tensor"), "1 tensor");
  EXPECT_EQ(counted(91'991, "tensor"), "91,991 tensors");
  EXPECT_EQ(counted(1, "byte is", "bytes are"), "1 byte is");
  EXPECT_EQ(counted(2, "byte is", "bytes are"), "2 bytes are");
}

TEST(FormatSeconds, PicksTheUnit) {
  EXPECT_EQ(format_seconds(0.0042), "4.2 ms");
  EXPECT_EQ(format_seconds(0.014), "14 ms");
  EXPECT_EQ(format_seconds(0.9999), "1.0 s");
  EXPECT_EQ(format_seconds(3.4), "3.4 s");
  EXPECT_EQ(format_seconds(42), "42 s");
  EXPECT_EQ(format_seconds(59.7), "1m 0s");
  EXPECT_EQ(format_seconds(72), "1m 12s");
  EXPECT_EQ(format_seconds(7380), "2h 3m");
  EXPECT_EQ(format_seconds(180'000), "2d 2h");
  EXPECT_EQ(format_seconds(1e300), "years");
}

// T48
TEST(FormatSeconds, SurvivesAClockThatJumps) {
  EXPECT_EQ(format_seconds(-5), "0.0 ms");
  EXPECT_EQ(format_seconds(std::numeric_limits<double>::infinity()), "?");
  EXPECT_EQ(format_seconds(std::numeric_limits<double>::quiet_NaN()), "?");
}

// T48. Only some of these locales are installed on any one machine; the last one always is.
TEST(Text, IgnoresTheLocale) {
  const std::string before = std::setlocale(LC_ALL, nullptr);
  for (const char* locale : {"tr_TR.UTF-8", "de_DE.UTF-8", "de_DE", "C.UTF-8", "C"}) {
    if (std::setlocale(LC_ALL, locale) == nullptr) continue;
    EXPECT_EQ(format_bytes(14'746), "14.4 KiB") << locale;
    EXPECT_EQ(format_seconds(3.4), "3.4 s") << locale;
    EXPECT_EQ(format_grouped(91'991), "91,991") << locale;
    EXPECT_EQ(parse_size("1.5gib"), 1'610'612'736u) << locale;
    EXPECT_FALSE(parse_size("1,5G")) << locale;
    EXPECT_EQ(printable("\xC4\xB0"), "\xC4\xB0") << locale;
    const std::string_view words[] = {"inspect", "validate"};
    EXPECT_EQ(nearest("INSPECT", words), "inspect") << locale;
  }
  std::setlocale(LC_ALL, before.c_str());
}

TEST(Nearest, FindsWhatWasMeant) {
  const std::string_view words[] = {"inspect", "download", "merge", "quantize", "validate"};
  EXPECT_EQ(nearest("inspect", words), "inspect");
  EXPECT_EQ(nearest("inpsect", words), "inspect");
  EXPECT_EQ(nearest("Inspekt", words), "inspect");
  EXPECT_EQ(nearest("quantise", words), "quantize");
  EXPECT_EQ(nearest("dwnlod", words), "download");
  EXPECT_EQ(nearest("valid", words), "") << "three letters are missing of eight";
  EXPECT_EQ(nearest("banana", words), "");
  EXPECT_EQ(nearest("x", words), "");
  EXPECT_EQ(nearest("", words), "");
}

TEST(Nearest, PrefersTheNearerThenTheEarlier) {
  const std::string_view words[] = {"--jobs", "--json", "--join"};
  EXPECT_EQ(nearest("--jsn", words), "--json");
  EXPECT_EQ(nearest("--jobz", words), "--jobs");
  const std::string_view twins[] = {"bat", "cat"};
  EXPECT_EQ(nearest("hat", twins), "bat");
  const std::string_view letters[] = {"a"};
  EXPECT_EQ(nearest("b", letters), "") << "nothing in common";
}

TEST(Nearest, GivesUpOnWhatNobodyTypes) {
  const std::string endless(1'000'000, 'a');
  const std::string_view words[] = {"inspect", endless};
  EXPECT_EQ(nearest(endless, words), "");
  EXPECT_EQ(nearest("inspec", words), "inspect");
}

TEST(NaturalLess, ComparesNumbersAsNumbers) {
  EXPECT_TRUE(natural_less("layers.2.weight", "layers.10.weight"));
  EXPECT_FALSE(natural_less("layers.10.weight", "layers.2.weight"));
  EXPECT_TRUE(natural_less("a", "a1"));
  EXPECT_TRUE(natural_less("a9", "b1"));
  EXPECT_TRUE(natural_less("x99999999999999999999998", "x99999999999999999999999"));
  EXPECT_FALSE(natural_less("same", "same"));
  EXPECT_TRUE(natural_less("x01", "x1")) << "equal numbers fall back to byte order";
  EXPECT_TRUE(natural_less("x1a", "x01b"));
  EXPECT_TRUE(natural_less("a", "\xC3\xA4")) << "bytes are unsigned";
}

TEST(NaturalLess, IsAStrictOrder) {
  std::vector<std::string> words;
  const std::string_view letters = "0019a.";
  for (const char a : letters)
    for (const char b : letters)
      for (const char c : letters) words.push_back({a, b, c});
  words.insert(words.end(), {"", "0", "00", "1", "01", "a", "a0", "a00"});
  for (const auto& x : words)
    for (const auto& y : words) {
      if (x == y) {
        EXPECT_FALSE(natural_less(x, y)) << x;
        continue;
      }
      EXPECT_NE(natural_less(x, y), natural_less(y, x)) << x << " " << y;
    }
  std::vector<std::string> sorted = words;
  std::ranges::sort(sorted, natural_less);
  for (size_t i = 0; i < sorted.size(); ++i)
    for (size_t j = i + 1; j < sorted.size(); ++j)
      EXPECT_FALSE(natural_less(sorted[j], sorted[i])) << sorted[i] << " " << sorted[j];
}

}  // namespace
}  // namespace stkit
