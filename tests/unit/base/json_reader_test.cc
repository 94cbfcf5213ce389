#include "base/json_reader.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace stkit {
namespace {

using namespace std::string_literals;

// Ends in closing brackets, so that a parser which runs on into the padding would believe them.
std::string padded(std::string_view text) {
  return std::string(text) + std::string(kJsonPadding, '}');
}

Result<void> read(std::string_view text, FunctionRef<Result<void>(JsonCursor)> root) {
  const std::string buffer = padded(text);
  return read_json(std::string_view(buffer).substr(0, text.size()), root);
}

Result<void> skip(std::string_view text) {
  return read(text, [](JsonCursor root) { return root.skip(); });
}

std::string nested(size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); }

TEST(JsonReader, AcceptsWhatRfc8259Does) {
  const std::string texts[] = {"{}",
                               "[]",
                               "0",
                               "-0",
                               "1.5e-3",
                               "true",
                               "false",
                               "null",
                               R"("")",
                               R"("a\"\\\/\b\f\n\r\té")",
                               R"("😀")",
                               " \t\r\n{ \"a\" : [ 1 , { } , null ] } \n",
                               R"({"a":1,"a":2,"":3})",
                               "18446744073709551616",
                               "1e308",
                               "\"\x7f\"",
                               "\"\xF0\x9F\x98\x80\"",
                               nested(127)};
  for (const std::string& text : texts) {
    const auto read_past = skip(text);
    EXPECT_TRUE(read_past) << text << ": " << read_past.error().message;
    const auto tree = JsonValue::parse(text);
    EXPECT_TRUE(tree) << text << ": " << tree.error().message;
  }
}

TEST(JsonReader, RefusesEverythingElseAndNamesTheByte) {
  struct {
    std::string name, text, message;
  } const cases[] = {
      {"empty", "", "no value at byte 0"},
      {"only space", "  ", "no value"},
      {"byte order mark", "\xEF\xBB\xBF{}", "byte order mark at byte 0"},
      {"trailing character", "{} x", "characters behind the value at byte 3"},
      {"trailing comma behind it", "{},", "at byte"},
      {"trailing NUL", "{}\0"s, "at byte 2"},
      {"second value", "{}{}", "at byte 2"},
      {"second scalar", "1 2", "at byte"},
      {"unclosed object", R"({"a":1)", "at byte"},
      {"unclosed array", "[1,[2]", "at byte"},
      {"unclosed string", R"({"abc)", "string that does not end at byte 1"},
      {"one bracket unclosed", R"({"a":{"b}":1)", "array that does not end at byte 12"},
      {"closing bracket of another kind", R"({"a":[1}})", "at byte 7"},
      {"root closed by another kind", R"({"a":1])", "at byte 7"},
      {"bracket too many", "[1]]", "at byte 3"},
      {"trailing comma in an array", "[1,]", "at byte 3"},
      {"trailing comma in an object", R"({"a":1,})", "at byte 7"},
      {"leading comma", "[,1]", "at byte 1"},
      {"missing comma", "[1 2]", "at byte 3"},
      {"missing colon", R"({"a" 1})", "at byte"},
      {"missing value", R"({"a":})", "at byte 5"},
      {"key without quotes", "{a:1}", "at byte 1"},
      {"number as key", "{1:1}", "at byte 1"},
      {"single quotes", "{'a':1}", "at byte 1"},
      {"comment", "[1/*x*/]", "at byte"},
      {"leading zero", "[01]", "number at byte 1"},
      {"plus", "[+1]", "at byte 1"},
      {"bare point", "[1.]", "number at byte 1"},
      {"point first", "[.5]", "at byte 1"},
      {"empty exponent", "[1e]", "number at byte 1"},
      {"minus alone", "[-]", "at byte 1"},
      {"beyond double", "[1e999]", "number at byte 1"},
      {"hex", "[0x10]", "number at byte 1"},
      {"NaN", "[NaN]", "at byte 1"},
      {"Infinity", "[Infinity]", "at byte 1"},
      {"minus Infinity", "[-Infinity]", "at byte 1"},
      {"misspelt null", "[nul]", "literal at byte 1"},
      {"misspelt true", "[trUe]", "literal at byte 1"},
      {"literal that goes on", "[falsey]", "literal at byte 1"},
      {"raw newline", "[\"a\nb\"]", "control character in a string at byte 3"},
      {"raw NUL", "[\"a\0b\"]"s, "control character in a string at byte 3"},
      {"NUL between values", "[1\0,2]"s, "at byte"},
      {"unknown escape", R"(["\x41"])", "escape in a string at byte 1"},
      {"escape cut short", R"(["\u12"])", "escape in a string at byte 1"},
      {"high surrogate alone", R"(["\ud83d"])", "at byte 1"},
      {"low surrogate alone", R"(["\ude00"])", "at byte 1"},
      {"surrogates in the wrong order", R"(["\ude00\ud83d"])", "at byte 1"},
      {"surrogate and letter", R"(["\ud83dA"])", "at byte 1"},
      {"surrogate alone in a key", R"({"\ude00":1})", "at byte 1"},
      {"invalid UTF-8", "[\"a\xFF\"]", "invalid UTF-8 at byte 3"},
      {"overlong UTF-8", "[\"\xC0\x80\"]", "invalid UTF-8 at byte 2"},
      {"surrogate as UTF-8", "[\"\xED\xA0\x80\"]", "invalid UTF-8 at byte 2"},
      {"128 levels", nested(128), "nesting deeper than 127 levels at byte 127"},
      {"10,000 levels", nested(10'000), "nesting deeper"},  // T14
      {"10,000 levels, never closed", std::string(10'000, '['), "at byte"},
  };
  for (const auto& test : cases) {
    const auto result = skip(test.text);
    ASSERT_FALSE(result) << test.name;
    EXPECT_EQ(result.error().code, ErrorCode::Corrupt) << test.name;
    EXPECT_NE(result.error().message.find(test.message), std::string::npos)
        << test.name << ": " << result.error().message;
    const auto tree = JsonValue::parse(test.text);
    ASSERT_FALSE(tree) << test.name;
    EXPECT_EQ(tree.error().message, result.error().message) << test.name;
  }
}

TEST(JsonReader, RefusesEveryPrefixOfADocument) {
  const std::string text = R"({"a\n":[1,-2.5e3,"x\u00e9",{}],"b":{"c":null,"d":[true,false]}})";
  ASSERT_TRUE(skip(text));
  for (size_t length = 0; length < text.size(); ++length)
    EXPECT_FALSE(skip(text.substr(0, length))) << length;
}

TEST(JsonReader, WholeNumbersAreWrittenAsSuch) {
  struct {
    std::string text;
    std::optional<uint64_t> value;
  } const cases[] = {
      {"0", 0},
      {"3", 3},
      {"18446744073709551615", ~uint64_t{0}},
      {"18446744073709551616", std::nullopt},
      {"99999999999999999999999", std::nullopt},
      {"-0", std::nullopt},
      {"-1", std::nullopt},
      {"3.0", std::nullopt},
      {"3e0", std::nullopt},
      {R"("3")", std::nullopt},
      {"true", std::nullopt},
      {"null", std::nullopt},
  };
  for (const auto& test : cases) {
    for (const bool as_root : {true, false}) {
      std::optional<uint64_t> seen;
      std::string message;
      const auto take = [&](JsonCursor number) -> Result<void> {
        const auto result = number.uint();
        if (result)
          seen = *result;
        else
          message = result.error().message;
        return {};
      };
      const auto result =
          as_root ? read(test.text, take)
                  : read("[" + test.text + "]", [&](JsonCursor root) { return root.array(take); });
      EXPECT_TRUE(result) << test.text << ": " << result.error().message;
      EXPECT_EQ(seen, test.value) << test.text;
      EXPECT_EQ(message.empty(), test.value.has_value()) << test.text;
    }
    const auto tree = JsonValue::parse(test.text);
    ASSERT_TRUE(tree) << test.text;
    EXPECT_EQ(tree->as_uint(), test.value) << test.text;
  }
}

TEST(JsonReader, ShowsMembersInOrderWithDuplicatesAndUnescaped) {
  std::vector<std::pair<std::string, uint64_t>> seen;
  const auto result = read(R"({"b":1,"a":2,"a":3,"\u0061":4,"":5})", [&](JsonCursor root) {
    return root.object([&](std::string_view key, JsonCursor value) -> Result<void> {
      STKIT_ASSIGN(const uint64_t number, value.uint());
      seen.emplace_back(key, number);
      return {};
    });
  });
  ASSERT_TRUE(result) << result.error().message;
  const std::vector<std::pair<std::string, uint64_t>> expected = {
      {"b", 1}, {"a", 2}, {"a", 3}, {"a", 4}, {"", 5}};
  EXPECT_EQ(seen, expected);
}

TEST(JsonReader, KeysStayValidUntilTheEnd) {
  std::vector<std::string_view> keys;
  std::string joined;
  const auto result =
      read(R"({"plain":1,"esc\u0061ped":2,"\t":3})", [&](JsonCursor root) -> Result<void> {
        STKIT_TRY(root.object([&](std::string_view key, JsonCursor) -> Result<void> {
          keys.push_back(key);
          return {};
        }));
        for (const std::string_view key : keys) joined += std::string(key) + ";";
        return {};
      });
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(joined, "plain;escaped;\t;");
}

TEST(JsonReader, ValuesLeftAloneAreCheckedAllTheSame) {
  const auto ignore = [](std::string_view text) {
    return read(text, [](JsonCursor root) {
      return root.object([](std::string_view, JsonCursor) -> Result<void> { return {}; });
    });
  };
  EXPECT_TRUE(ignore(R"({"a":{"b":[1,"\n",null]},"c":true})"));
  EXPECT_FALSE(ignore(R"({"a":{"b":[01]},"c":true})"));
  EXPECT_FALSE(ignore(R"({"a":{"b":"\x"},"c":true})"));
  EXPECT_FALSE(ignore(R"({"a":{"b":[1}},"c":true})"));
  EXPECT_FALSE(ignore("{\"a\":" + nested(127) + "}"));
  EXPECT_FALSE(read("[nul]", [](JsonCursor) -> Result<void> { return {}; }));
}

TEST(JsonReader, AValueOfAnotherTypeCanBeNotedAndPassed) {
  std::vector<std::string> messages;
  uint64_t last = 0;
  const auto result = read(R"([{"a":1}, "x", -1, 7])", [&](JsonCursor root) {
    return root.array([&](JsonCursor element) -> Result<void> {
      if (const auto number = element.uint())
        last = *number;
      else
        messages.push_back(number.error().message);
      return {};
    });
  });
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(last, 7u);
  const std::vector<std::string> expected = {
      "an object where a number is expected, at byte 1",
      "a string where a number is expected, at byte 10",
      "-1 where a whole number below 2^64 is expected, at byte 15"};
  EXPECT_EQ(messages, expected);
}

TEST(JsonReader, ABrokenDocumentStaysBrokenWhenACallbackLooksAway) {
  int calls = 0;
  const auto result = read(R"([[01], 2])", [&](JsonCursor root) {
    return root.array([&](JsonCursor element) -> Result<void> {
      ++calls;
      static_cast<void>(element.skip());
      return {};
    });
  });
  EXPECT_FALSE(result);
  EXPECT_EQ(calls, 1);
}

TEST(JsonReader, ErrorsOfTheCallbackComeThrough) {
  const auto result = read("[1]", [](JsonCursor root) {
    return root.array([](JsonCursor) -> Result<void> { return fail(ErrorCode::Usage, "enough"); });
  });
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().message, "enough");
}

TEST(JsonTree, HoldsEveryKindOfValue) {
  const auto tree = JsonValue::parse(
      R"({"n":null,"t":true,"u":7,"f":-2.5,"s":"x\ty","a":[1,[2]],"o":{"k":1},"u":8})");
  ASSERT_TRUE(tree) << tree.error().message;
  EXPECT_TRUE(tree->find("n")->is_null());
  EXPECT_EQ(tree->find("t")->as_bool(), true);
  EXPECT_EQ(tree->find("f")->as_number(), -2.5);
  EXPECT_EQ(tree->find("f")->as_uint(), std::nullopt);
  EXPECT_EQ(tree->find("s")->as_string(), "x\ty");
  EXPECT_EQ(tree->find("a")->elements().at(1).elements().at(0).as_uint(), 2u);
  EXPECT_EQ(tree->find("o")->find("k")->as_number(), 1.0);
  EXPECT_EQ(tree->find("u")->as_uint(), 8u) << "the last of two counts";
  EXPECT_EQ(tree->members().size(), 8u) << "and both are there";
  EXPECT_EQ(tree->find("none"), nullptr);
  EXPECT_EQ(tree->find("s")->find("x"), nullptr);
  EXPECT_EQ(tree->find("s")->as_bool(), std::nullopt);
}

}  // namespace
}  // namespace stkit
