// What is wrong with a GGUF file, and what is said about it.
#include <gtest/gtest.h>

#include <functional>
#include <limits>

#include "support/gguf_builder.h"
#include "unit/formats/read_gguf.h"

namespace stkit {
namespace {

using test::gguf_array;
using test::gguf_string;
using test::gguf_strings;
using test::GgufBuilder;
using test::le;

constexpr uint32_t kF32 = 0;
constexpr uint32_t kQ8_0 = 8;
constexpr uint32_t kArray = 9;

struct Case {
  std::string name;
  std::string bytes;
  std::vector<Check> checks;  // of errors and warnings, in their order
  std::string message;        // part of the first one's
};

using Edit = std::function<void(GgufBuilder&)>;

// A sound file of two tensors and two keys, with `edit` made to it.
std::string edited(const Edit& edit) {
  GgufBuilder builder;
  builder.text("general.architecture", "llama").u32("llama.block_count", 1);
  builder.tensor("a", kF32, {4, 2}, 32).tensor("b", kQ8_0, {32}, 34);
  edit(builder);
  return builder.bytes();
}

// The same with one entry more.
std::string with_entry(std::string_view key, uint32_t type, std::string_view value) {
  return edited([&](GgufBuilder& b) { b.entry(key, type, value); });
}

// One tensor alone.
std::string one(std::string_view name, uint32_t type, const std::vector<uint64_t>& dimensions,
                uint64_t size, std::optional<uint64_t> offset = {}) {
  return GgufBuilder().tensor(name, type, dimensions, size, offset).bytes();
}

void expect(const std::vector<Case>& cases) {
  for (const Case& row : cases) {
    const GgufHeader header = test::read_gguf(row.bytes);
    EXPECT_EQ(test::serious_slugs(header.findings), test::slugs(row.checks))
        << row.name << ":\n"
        << test::messages(header.findings);
    std::string first;
    for (const Finding& finding : header.findings) {
      EXPECT_EQ(finding.path, "test.gguf") << row.name;
      if (first.empty() && finding.severity() != Severity::Note) first = finding.message;
    }
    EXPECT_NE(first.find(row.message), std::string::npos)
        << row.name << ": wanted\n  " << row.message << "\nin\n  " << first;
    EXPECT_GE(row.bytes.size(), header.data_offset) << row.name;
  }
}

// T28
TEST(GgufCases, Versions) {
  using enum Check;
  const auto version = [](uint32_t v) { return edited([v](GgufBuilder& b) { b.version(v); }); };
  expect({
      {"version 2", version(2), {}, ""},
      {"version 3", version(3), {}, ""},
      {"version 0", version(0), {GgufVersion}, "version 0, which does not exist"},
      {"version 1", version(1), {GgufVersion}, "version 1, which no tool writes since 2023"},
      {"version 4", version(4), {GgufVersion}, "version 4; the newest that stkit knows is 3"},
      {"byte-swapped", version(0x03000000), {GgufVersion}, "big-endian GGUF of version 3"},
      {"empty", "", {NotGguf}, "does not start with `GGUF`"},
      {"three bytes", "GGU", {NotGguf}, "is not GGUF but"},
      {"magic alone", "GGUF", {GgufHeaderPastEnd}, "the start of the header takes at least"},
      {"GGML's magic", "lmgg" + std::string(100, '\0'), {NotGguf}, "does not start"},
      {"a Git LFS pointer",
       "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
       {NotGguf},
       "is not GGUF but a Git LFS pointer"},
  });
}

// T29
TEST(GgufCases, CountsAndLengths) {
  using enum Check;
  const auto counts = [](uint64_t tensors, uint64_t keys) {
    return edited([=](GgufBuilder& b) { b.counts(tensors, keys); });
  };
  constexpr uint64_t kHuge = uint64_t{1} << 63;
  expect({
      {"2^63 tensors",
       counts(kHuge, 2),
       {GgufHeaderPastEnd},
       "a list of 9,223,372,036,854,775,808 tensors takes at least"},
      {"2^63 keys", counts(2, kHuge), {GgufHeaderPastEnd}, "metadata of 9,223,372,"},
      {"2^64-1 of both", counts(~uint64_t{0}, ~uint64_t{0}), {GgufHeaderPastEnd}, "metadata of"},
      {"one tensor more",
       GgufBuilder().counts(1, 0).tensor("a", kF32, {8}, 32).header().substr(0, 52),
       {GgufHeaderPastEnd},
       "tensor info 0 takes at least 8 bytes from byte 49 of the file on, but the file has only 3"},
      {"key of 2^62 bytes",
       "GGUF" + le(3u) + le(uint64_t{0}) + le(uint64_t{1}) + le(uint64_t{1} << 62) +
           std::string(100, 'k'),
       {GgufHeaderPastEnd},
       "metadata key 0 takes at least 4,611,686,018,427,387,904 bytes from byte 32 of the file "
       "on, but the file has only 100"},
      {"string of 2^62 bytes",
       with_entry("k", 8, le(uint64_t{1} << 62)),
       {GgufHeaderPastEnd},
       "the value of 'k' takes at least 4,611,"},
      {"tensor name of 2^64-1 bytes",
       "GGUF" + le(3u) + le(uint64_t{1}) + le(uint64_t{0}) + le(~uint64_t{0}) +
           std::string(100, 'n'),
       {GgufHeaderPastEnd},
       "tensor info 0"},
      {"2^61 numbers",
       with_entry("k", kArray, gguf_array(10, uint64_t{1} << 61, "")),
       {GgufHeaderPastEnd},
       "the array 'k' takes at least 18,446,744,073,709,551,615 bytes"},
      {"2^40 strings",
       with_entry("k", kArray, gguf_array(8, uint64_t{1} << 40, "")),
       {GgufHeaderPastEnd},
       "the array 'k'"},
      {"a string of an array past the end",
       with_entry("k", kArray, gguf_array(8, 1, le(uint64_t{1} << 40))),
       {GgufHeaderPastEnd},
       "the array 'k' takes at least 1,099,511,627,776 bytes"},
  });
}

// T29
TEST(GgufCases, Values) {
  using enum Check;
  std::string nested;
  for (int i = 0; i < 100'000; ++i) nested += le(uint32_t{9}) + le(uint64_t{1});
  expect({
      {"type 13", with_entry("k", 13, le(0u)), {GgufValueType}, "the value of 'k' has type 13"},
      {"array of type 99",
       with_entry("k", kArray, gguf_array(99, 1, "x")),
       {GgufValueType},
       "the array of 'k' has type 99"},
      {"array of type 99 without a count",
       "GGUF" + le(3u) + le(uint64_t{0}) + le(uint64_t{1}) + gguf_string("k") + le(kArray) +
           le(99u),
       {GgufValueType},
       "the array of 'k' has type 99"},
      {"array of arrays",
       with_entry("k", kArray, nested),
       {GgufValueType},
       "'k' is an array of arrays"},
      {"boolean 2", with_entry("k", 7, "\2"), {GgufBadValue}, "'k' is 2, not 0 or 1"},
      {"array of booleans",
       with_entry("k", kArray, gguf_array(7, 2, "\1\3")),
       {GgufBadValue},
       "a boolean of 'k' is 3, not 0 or 1"},
      {"text that is not UTF-8",
       with_entry("k", 8, gguf_string("\xff")),
       {GgufBadValue},
       "the value of 'k' is not valid UTF-8"},
      {"token that is not UTF-8",
       with_entry("tokenizer.ggml.tokens", kArray, gguf_strings({"a", "\xff"})),
       {GgufBadValue},
       R"(string 1 of 'tokenizer.ggml.tokens' is not valid UTF-8: '\xff')"},
      {"empty array", with_entry("k", kArray, gguf_array(4, 0, "")), {}, ""},
      {"empty key", with_entry("", 4, le(1u)), {GgufBadKey}, "a metadata key is empty"},
      {"long key",
       with_entry(std::string(65'536, 'k'), 4, le(1u)),
       {GgufBadKey},
       "has 65,536 bytes; at most 65,535 are allowed"},
      {"key that is not UTF-8",
       with_entry("\xfe", 4, le(1u)),
       {GgufBadKey},
       R"(the metadata key '\xfe' is not valid UTF-8)"},
      {"key for a terminal",
       with_entry("\x1b[2J", 8, gguf_string("\xff")),
       {GgufBadValue},
       R"('\x1b[2J')"},
  });
}

// T29, T32
TEST(GgufCases, KeysThatLoadersKnow) {
  using enum Check;
  constexpr uint32_t kI32 = 5;
  expect({
      {"architecture as a number",
       GgufBuilder().u32("general.architecture", 1).tensor("a", kF32, {8}, 32).bytes(),
       {GgufKeyType},
       "general.architecture is of type u32, not string"},
      {"tokens of numbers",
       with_entry("tokenizer.ggml.tokens", kArray, gguf_array(4, 1, le(1u))),
       {GgufKeyType},
       "tokenizer.ggml.tokens is of type array of u32, not array of string"},
      {"scores of another type",
       with_entry("tokenizer.ggml.scores", kArray, gguf_array(12, 1, le(1.0))),
       {GgufKeyType},
       "tokenizer.ggml.scores is of type array of f64, not array of f32"},
      {"scores as a number",
       with_entry("tokenizer.ggml.scores", 6, le(1.0f)),
       {GgufKeyType},
       "is of type f32, not array of f32"},
      {"fewer scores than tokens",
       edited([](GgufBuilder& b) {
         b.strings("tokenizer.ggml.tokens", {"a", "b"});
         b.entry("tokenizer.ggml.scores", kArray, gguf_array(6, 1, le(1.0f)));
       }),
       {GgufTokenCount},
       "tokenizer.ggml.scores has 1 elements, but there are 2 tokens"},
      {"more types than tokens",
       edited([](GgufBuilder& b) {
         b.strings("tokenizer.ggml.tokens", {"a"});
         b.entry("tokenizer.ggml.token_type", kArray, gguf_array(kI32, 2, le(1) + le(1)));
       }),
       {GgufTokenCount},
       "tokenizer.ggml.token_type has 2 elements"},
      {"2^31 blocks",
       GgufBuilder()
           .text("general.architecture", "llama")
           .u32("llama.block_count", 1u << 31)
           .tensor("a", kF32, {8}, 32)
           .bytes(),
       {GgufBlockCount},
       "'llama.block_count' is 2,147,483,648, but the file has 1 tensors"},
      {"a vocabulary has blocks but no tensors",
       GgufBuilder().text("general.architecture", "llama").u32("llama.block_count", 32).bytes(),
       {},
       ""},
      {"a key twice",
       with_entry("general.architecture", 8, gguf_string("x")),
       {GgufDuplicateKey},
       "metadata key 'general.architecture' occurs more than once"},
      {"split",
       edited([](GgufBuilder& b) {
         b.entry("split.no", 2, le(uint16_t{1})).entry("split.count", 2, le(uint16_t{2}));
         b.entry("split.tensors.count", kI32, le(2));
       }),
       {},
       ""},
      {"split beyond its count",
       edited([](GgufBuilder& b) {
         b.entry("split.no", 2, le(uint16_t{2})).entry("split.count", 2, le(uint16_t{2}));
         b.entry("split.tensors.count", kI32, le(2));
       }),
       {GgufSplit},
       "do not fit together"},
      {"split without a number",
       with_entry("split.count", 2, le(uint16_t{2})),
       {GgufSplit},
       "do not fit together"},
      {"split of fewer tensors",
       edited([](GgufBuilder& b) {
         b.entry("split.no", 2, le(uint16_t{0})).entry("split.count", 2, le(uint16_t{2}));
         b.entry("split.tensors.count", kI32, le(1));
       }),
       {GgufSplit},
       "split.tensors.count is 1, but this part has 2 tensors"},
      {"split keys of other types",
       edited([](GgufBuilder& b) {
         b.u32("split.no", 0).u32("split.count", 1).u32("split.tensors.count", 2);
       }),
       {GgufKeyType, GgufKeyType, GgufKeyType},
       "split.no is of type u32, not u16"},
  });
}

// T29
TEST(GgufCases, Alignment) {
  using enum Check;
  const auto aligned = [](uint32_t key, uint64_t layout) {
    return edited([&](GgufBuilder& b) { b.u32("general.alignment", key).alignment(layout); });
  };
  const auto at = [](uint64_t alignment) {
    return GgufBuilder()
        .alignment(alignment)
        .u32("general.alignment", static_cast<uint32_t>(alignment))
        .tensor("a", kF32, {3}, 12)
        .tensor("b", kF32, {1}, 4)
        .bytes();
  };
  expect({
      {"1", at(1), {}, ""},
      {"8", at(8), {}, ""},
      {"64", at(64), {}, ""},
      {"4096", at(4096), {}, ""},
      {"2 MiB", at(2 << 20), {}, ""},
      {"0", aligned(0, 32), {GgufAlignment}, "general.alignment is 0, not a power of two"},
      {"3", aligned(3, 32), {GgufAlignment}, "general.alignment is 3"},
      {"48", aligned(48, 32), {GgufAlignment}, "general.alignment is 48"},
      {"2^31-1", aligned(0x7FFFFFFF, 32), {GgufAlignment}, "general.alignment is 2,147,483,647"},
      {"2^31", aligned(1u << 31, 32), {GgufAlignment}, "up to 2,097,152"},
      {"of another type",
       with_entry("general.alignment", 10, le(uint64_t{32})),
       {GgufKeyType},
       "general.alignment is of type u64, not u32"},
      {"64, but laid out by 32",
       GgufBuilder()
           .u32("general.alignment", 64)
           .tensor("a", kF32, {1}, 4)
           .tensor("b", kF32, {1}, 4, 32)
           .bytes(),
       {GgufMisaligned},
       "tensor 'b' lies at byte 32 of the data, not at a multiple of 64"},
  });
}

// T30
TEST(GgufCases, Shapes) {
  using enum Check;
  constexpr uint64_t k32 = uint64_t{1} << 32;
  expect({
      {"four dimensions", one("a", kF32, {2, 1, 2, 2}, 32), {}, ""},
      {"none", one("a", kF32, {}, 4), {GgufBadShape}, "tensor 'a' has 0 dimensions, not 1 to 4"},
      {"five", one("a", kF32, {2, 1, 1, 1, 1}, 8), {GgufBadShape}, "has 5 dimensions, not 1 to 4"},
      {"2^32-1 dimensions",
       "GGUF" + le(3u) + le(uint64_t{1}) + le(uint64_t{0}) + gguf_string("a") + le(~0u) +
           std::string(100, '\0'),
       {GgufBadShape},
       "has 4,294,967,295 dimensions"},
      {"a zero",
       one("a", kF32, {0, 2}, 0),
       {GgufBadShape},
       "tensor 'a' has shape [2,0], with a dimension of 0"},
      {"2^63", one("a", kF32, {uint64_t{1} << 63}, 8), {GgufBadShape}, "2^63 elements or more"},
      {"2^64-1", one("a", kF32, {~uint64_t{0}}, 8), {GgufBadShape}, "2^63 elements or more"},
      // The sizes of CVE-2025-53630 and CVE-2026-27940: products that wrap to something small.
      {"2^32 x 2^32", one("a", kF32, {k32, k32}, 8), {GgufBadShape}, "2^63 elements or more"},
      {"wraps to 1", one("a", kF32, {0xFFFFFFFF00000001, 0xFFFFFFFF}, 8), {GgufBadShape}, "2^63"},
      {"2^62 elements of 4 bytes",
       one("a", kF32, {uint64_t{1} << 62}, 8),
       {GgufBadShape},
       "has shape [4611686018427387904] of F32, which takes 2^63 bytes or more"},
      {"2^60 elements",
       one("a", kF32, {uint64_t{1} << 60}, 8),
       {GgufTruncated},
       "of 4,611,686,018,427,387,904 bytes lies at byte 0 of the data, beyond any file"},
      {"half a block",
       one("a", kQ8_0, {48}, 51),
       {GgufPartialBlock},
       "tensor 'a' has rows of 48 elements, which are not whole Q8_0 blocks of 32"},
      {"rows of half a block", one("a", kQ8_0, {16, 2}, 34), {GgufPartialBlock}, "rows of 16"},
  });
}

TEST(GgufCases, NamesAndTypes) {
  using enum Check;
  expect({
      {"63 bytes", one(std::string(63, 'n'), kF32, {1}, 4), {}, ""},
      {"64 bytes",
       one(std::string(64, 'n'), kF32, {1}, 4),
       {GgufTensorName},
       "has 64 bytes; at most 63 are allowed"},
      {"no name", one("", kF32, {1}, 4), {GgufTensorName}, "a tensor has an empty name"},
      {"a path", one("../x", kF32, {1}, 4), {GgufOddTensorName}, "tensor '../x' has a name"},
      {"for a terminal", one("\x1b[2J", kF32, {1}, 4), {GgufOddTensorName}, R"('\x1b[2J')"},
      {"type 4",
       one("a", 4, {32}, 32),
       {GgufTensorType},
       "tensor 'a' is of type 4 (Q4_2), which ggml has removed"},
      {"type 9", one("a", 9, {32}, 36), {GgufTensorType}, "type 9 (Q8_1), which ggml uses in"},
      {"type 43", one("a", 43, {32}, 32), {GgufTensorType}, "type 43, which stkit does not know"},
      {"type 2^32-1", one("a", ~0u, {32}, 32), {GgufTensorType}, "type 4294967295, which"},
      // T32
      {"a name twice",
       GgufBuilder().tensor("a", kF32, {8}, 32).tensor("a", kF32, {8}, 32).bytes(),
       {GgufDuplicateTensor},
       "tensor 'a' occurs again in the header"},
  });
}

// T30
TEST(GgufCases, Places) {
  using enum Check;
  const auto two = [](uint64_t a, uint64_t b) {
    return GgufBuilder().tensor("a", kF32, {16}, 64, a).tensor("b", kF32, {16}, 64, b).bytes();
  };
  constexpr uint64_t kLast = std::numeric_limits<uint64_t>::max();
  const std::string sound = two(0, 64);
  const auto lying = [](uint64_t offset) {
    std::string bytes = GgufBuilder().tensor("a", kF32, {8}, 32).bytes();
    const std::string header = GgufBuilder().tensor("a", kF32, {8}, 32).header();
    return bytes.replace(header.size() - 8, 8, le(offset));
  };
  expect({
      {"sound", sound, {}, ""},
      {"the same bytes",
       two(0, 0),
       {GgufOffset, GgufOverlap},
       "tensor 'b' lies at byte 0 of the data, where byte 64 is its place"},
      {"half shared", two(0, 32), {GgufOffset, GgufOverlap}, "'b' lies at byte 32"},
      {"hole", two(0, 96), {GgufOffset}, "tensor 'b' lies at byte 96 of the data, where byte 64"},
      {"hole in front", two(32, 96), {GgufOffset}, "tensor 'a' lies at byte 32"},
      {"swapped", two(64, 0), {GgufOffset, GgufOffset}, "tensor 'a' lies at byte 64"},
      {"misaligned",
       two(0, 65),
       {GgufMisaligned},
       "tensor 'b' lies at byte 65 of the data, not at a multiple of 32"},
      {"one byte short",
       sound.substr(0, sound.size() - 1),
       {GgufTruncated},
       "tensor 'b' ends at byte 224 but the file holds 223: 1 byte is missing, like"},
      {"no data",
       sound.substr(0, sound.size() - 128),
       {GgufTruncated},
       ", of 2 tensors, like those"},
      {"offset past the end",
       lying(uint64_t{1} << 40),
       {GgufOffset, GgufTruncated},
       "tensor 'a' lies at byte 1,099,511,627,776"},
      {"offset 2^64-1", lying(kLast), {GgufTruncated}, "beyond any file"},
      {"offset 2^64-32", lying(kLast - 31), {GgufTruncated}, "beyond any file"},
      {"trailing byte",
       sound + "x",
       {GgufTrailingBytes},
       "1 byte follows the last tensor and its padding, from byte 224 on"},
      {"appended zip",
       sound + "PK\x03\x04" + std::string(60, 'z'),
       {GgufTrailingBytes},
       "64 bytes follow"},
      {"trailing bytes without tensors",
       GgufBuilder().bytes() + std::string(64, 'z'),
       {GgufTrailingBytes},
       "64 bytes follow"},
  });
}

TEST(GgufCases, ABrokenTensorDoesNotMakeItsBytesAHole) {
  expect({{"unknown type",
           GgufBuilder()
               .tensor("a", kF32, {8}, 32)
               .tensor("b", 99, {8}, 96)
               .tensor("c", kF32, {8}, 32)
               .bytes(),
           {Check::GgufTensorType},
           "type 99"}});
}

TEST(GgufCases, TheLastTensorNeedsNoPadding) {
  const std::string bytes = one("a", kF32, {3}, 12);
  for (size_t missing = 0; missing <= 20; ++missing) {
    const GgufHeader header = test::read_gguf(bytes.substr(0, bytes.size() - missing));
    EXPECT_TRUE(header.sound()) << missing;
    EXPECT_EQ(header.findings.size(), missing == 0 ? 0u : 1u) << missing;
  }
  const GgufHeader header = test::read_gguf(bytes.substr(0, bytes.size() - 7));
  EXPECT_EQ(header.findings[0].message, "the last tensor has 13 bytes of padding, not 20");
  EXPECT_FALSE(test::read_gguf(bytes.substr(0, bytes.size() - 21)).sound());
}

}  // namespace
}  // namespace stkit
