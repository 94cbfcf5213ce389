#include <gtest/gtest.h>

#include <charconv>
#include <clocale>
#include <limits>

#include "stkit/json.h"

namespace stkit {
namespace {

template <class T>
std::string json_of(const T& value) {
  std::string out;
  JsonWriter(out).value(value);
  return out;
}

double read_back(const std::string& text) {
  double number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

TEST(JsonWriter, SetsCommasAndBrackets) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().field("a", 1).key("b").begin_array();
  json.value(true).null().value("x").begin_object().end_object().begin_array().end_array();
  json.end_array().field("c", std::string("d")).end_object();
  EXPECT_EQ(out, R"({"a":1,"b":[true,null,"x",{},[]],"c":"d"})");
}

TEST(JsonWriter, Indents) {
  std::string out;
  JsonWriter json(out, 2);
  json.begin_object().field("a", 1).key("b").begin_array().value(2).end_array();
  json.key("c").begin_object().end_object().end_object();
  EXPECT_EQ(out, "{\n  \"a\": 1,\n  \"b\": [\n    2\n  ],\n  \"c\": {}\n}");
}

// T15, T62
TEST(JsonWriter, EscapesStrings) {
  using namespace std::string_view_literals;
  EXPECT_EQ(json_of("a\"b\\c/d"sv), R"("a\"b\\c/d")");
  EXPECT_EQ(json_of("\n\r\t\b\0\x1b"sv), R"("\n\r\t\b\u0000\u001b")");
  EXPECT_EQ(json_of("\x7F Größe 文 🚀"sv), "\"\x7F Größe 文 🚀\"");
  EXPECT_EQ(json_of("a\xFFz\xED\xA0\x80"sv), "\"a\uFFFDz\uFFFD\uFFFD\uFFFD\"");
  EXPECT_EQ(json_of("cut \xE2\x82"sv), "\"cut \uFFFD\uFFFD\"");
  std::string out;
  JsonWriter(out).begin_object().field("\"k\n", 1).end_object();
  EXPECT_EQ(out, R"({"\"k\n":1})");
}

TEST(JsonWriter, WholeNumbersAreExact) {
  EXPECT_EQ(json_of(std::numeric_limits<uint64_t>::max()), "18446744073709551615");
  EXPECT_EQ(json_of(std::numeric_limits<int64_t>::min()), "-9223372036854775808");
  EXPECT_EQ(json_of(uint8_t{65}), "65") << "a number, not a letter";
  EXPECT_EQ(json_of(int8_t{-1}), "-1");
}

// T34, T48
TEST(JsonWriter, DoublesReadBackAndNonNumbersAreNull) {
  const std::string before = std::setlocale(LC_ALL, nullptr);
  for (const char* locale : {"de_DE.UTF-8", "C"}) {
    if (std::setlocale(LC_ALL, locale) == nullptr) continue;
    for (const double number : {0.1, -0.0, 1e300, 5e-324, 1.0 / 3, 12345.678})
      EXPECT_EQ(read_back(json_of(number)), number);
    EXPECT_EQ(json_of(0.5), "0.5");
  }
  std::setlocale(LC_ALL, before.c_str());
  EXPECT_EQ(json_of(std::numeric_limits<double>::quiet_NaN()), "null");
  EXPECT_EQ(json_of(-std::numeric_limits<double>::infinity()), "null");
}

}  // namespace
}  // namespace stkit
