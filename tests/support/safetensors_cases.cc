#include "support/safetensors_cases.h"

#include <fmt/format.h>

#include <string_view>

#include "support/model_builder.h"

namespace stkit::test {
namespace {

using namespace std::string_literals;

constexpr bool kAccepts = true;
constexpr bool kRejects = false;

std::string entry(std::string_view name, std::string_view dtype, std::string_view shape,
                  std::string_view offsets) {
  return fmt::format(R"("{}":{{"dtype":"{}","shape":{},"data_offsets":{}}})", name, dtype, shape,
                     offsets);
}

std::string file(std::string_view header, size_t data_bytes) {
  return safetensors_bytes(header, std::string(data_bytes, '\x2A'));
}

// A file of the one tensor "t": [2,2] of I32, with `fields` as its entry.
std::string one(std::string_view fields) { return file(fmt::format("{{\"t\":{}}}", fields), 16); }

// A whole file of one byte-sized tensor per name and offsets.
std::string bytes_at(std::vector<std::pair<std::string, std::string>> places, size_t data_bytes,
                     const std::vector<std::string>& shapes) {
  std::string header = "{";
  for (size_t i = 0; i < places.size(); ++i)
    header += (i == 0 ? "" : ",") + entry(places[i].first, "U8", shapes[i], places[i].second);
  return file(header + "}", data_bytes);
}

std::string shape_of_ones(size_t rank) {
  std::string shape = "[1";
  for (size_t i = 1; i < rank; ++i) shape += ",1";
  return shape + "]";
}

const std::string kT = entry("t", "I32", "[2,2]", "[0,16]");

std::string nested_field(size_t depth) {
  return one(R"({"dtype":"I32","shape":[2,2],"data_offsets":[0,16],"x":)" +
             std::string(depth, '[') + std::string(depth, ']') + "}");
}

std::string with_length(uint64_t length, std::string_view rest) {
  std::string bytes;
  for (int shift = 0; shift < 64; shift += 8) bytes += static_cast<char>(length >> shift & 0xFF);
  return bytes + std::string(rest);
}

using Cases = std::vector<SafetensorsCase>;

void add_framing(Cases& cases) {
  using enum Check;
  for (size_t size = 0; size < 8; ++size)  // T1
    cases.push_back(
        {fmt::format("{} bytes", size), std::string(size, '\x01'), kRejects, {FileTooSmall}, {}});
  const Cases rows = {
      // T2
      {"length 0", with_length(0, "{}"), kRejects, {HeaderNotJson}, {}},
      {"length 1", with_length(1, "{}"), kRejects, {HeaderNotJson}, {}},
      {"length 2^63-1", with_length(~uint64_t{0} >> 1, "{}"), kRejects, {HeaderTooLarge}, {}},
      {"length 2^63", with_length(uint64_t{1} << 63, "{}"), kRejects, {HeaderTooLarge}, {}},
      {"length 2^64-1", with_length(~uint64_t{0}, "{}"), kRejects, {HeaderTooLarge}, {}},
      // T3
      {"length one past the end", with_length(3, "{}"), kRejects, {HeaderPastEnd}, {}},
      {"length far past the end", with_length(1000, "{}"), kRejects, {HeaderPastEnd}, {}},
      {"length at the limit", with_length(100'000'000, "{}"), kRejects, {HeaderPastEnd}, {}},
      {"length past the limit", with_length(100'000'001, "{}"), kRejects, {HeaderTooLarge}, {}},
      // T6
      {"byte order mark", file("\xEF\xBB\xBF{}", 0), kRejects, {HeaderNotJson}, {}},
      {"invalid UTF-8", file("{\"\xFF\":1}", 0), kRejects, {HeaderNotUtf8}, {}},
      {"NUL inside", file("{\0}"s, 0), kRejects, {HeaderNotJson}, {}},
      {"NUL padding", safetensors_bytes("{}\0\0\0\0\0\0"s, ""), kRejects, {HeaderNotJson}, {}},
      {"trailing spaces", file("{}", 0), kAccepts, {}, {}},
      {"no padding",
       safetensors_bytes("{" + kT + "}", std::string(16, 'x'), false),
       kAccepts,
       {},
       {}},
      {"trailing white space of all kinds", safetensors_bytes("{} \t\r\n  ", ""), kAccepts, {}, {}},
      {"leading white space",
       safetensors_bytes(" \n\t\r  {}", ""),
       kAccepts,
       {HeaderLeadingSpace},
       {}},
      {"trailing bytes", file("{" + kT + "}", 17), kRejects, {TrailingBytes}, {}},
      {"trailing bytes without tensors", file("{}", 1), kRejects, {TrailingBytes}, {}},
      {"short by one", file("{" + kT + "}", 15), kRejects, {Truncated}, {}},
      {"no data", file("{" + kT + "}", 0), kRejects, {Truncated}, {}},
      {"top-level array", file("[]", 0), kRejects, {HeaderNotJson}, {}},
      {"top-level null", file("null", 0), kRejects, {HeaderNotJson}, {}},
      {"comment", file("{/*x*/}", 0), kRejects, {HeaderNotJson}, {}},
      {"trailing comma", file("{" + kT + ",}", 16), kRejects, {HeaderNotJson}, {}},
      {"two documents", file("{}{}", 0), kRejects, {HeaderNotJson}, {}},
  };
  cases.insert(cases.end(), rows.begin(), rows.end());
}

void add_names_and_metadata(Cases& cases) {
  using enum Check;
  const Cases rows = {
      {"empty header", file("{}", 0), kAccepts, {}, {}},
      {"only metadata", file(R"({"__metadata__":{"format":"pt"}})", 0), kAccepts, {}, {}},  // T17
      {"empty metadata", file(R"({"__metadata__":{}})", 0), kAccepts, {}, {}},
      {"metadata null", file(R"({"__metadata__":null})", 0), kAccepts, {NullMetadata}, {}},  // T8
      {"metadata number", file(R"({"__metadata__":1})", 0), kRejects, {BadMetadata}, {}},
      {"metadata list", file(R"({"__metadata__":[]})", 0), kRejects, {BadMetadata}, {}},
      {"metadata string", file(R"({"__metadata__":"x"})", 0), kRejects, {BadMetadata}, {}},
      {"metadata value number",
       file(R"({"__metadata__":{"a":1}})", 0),
       kRejects,
       {BadMetadata},
       {}},
      {"metadata value null",
       file(R"({"__metadata__":{"a":null}})", 0),
       kRejects,
       {BadMetadata},
       {}},
      {"metadata value nested",
       file(R"({"__metadata__":{"a":{"b":"c"}}})", 0),
       kRejects,
       {BadMetadata},
       {}},
      {"metadata value array",
       file(R"({"__metadata__":{"a":["b"]}})", 0),
       kRejects,
       {BadMetadata},
       {}},
      // T7
      {"metadata twice",
       file(R"({"__metadata__":{},"__metadata__":{}})", 0),
       kRejects,
       {DuplicateField},
       {}},
      {"metadata key twice",
       file(R"({"__metadata__":{"a":"1","a":"2"}})", 0),
       kAccepts,
       {DuplicateField},
       {}},
      {"tensor twice",
       file("{" + kT + "," + kT + "}", 16),
       kAccepts,
       {DuplicateTensor},
       "which entry counts differs between loaders; the format forbids it"},
      {"tensor twice, other type",
       file("{" + entry("t", "F64", "[9]", "[0,72]") + "," + kT + "}", 16),
       kAccepts,
       {DuplicateTensor},
       "which entry counts differs between loaders; the format forbids it"},
      {"tensor twice by an escape",
       file("{" + kT + "," + entry("\\u0074", "I32", "[2,2]", "[0,16]") + "}", 16),
       kAccepts,
       {DuplicateTensor},
       "which entry counts differs between loaders; the format forbids it"},
      {"metadata by an escape", file(R"({"__metad\u0061ta__":{"a":"b"}})", 0), kAccepts, {}, {}},
      {"empty name", file("{" + entry("", "U8", "[1]", "[0,1]") + "}", 1), kAccepts, {}, {}},
      {"any UTF-8 name",
       file("{" +
                entry("gr\xC3\xB6\xC3\x9F"
                      "e\xF0\x9F\x98\x80",
                      "U8", "[1]", "[0,1]") +
                "}",
            1),
       kAccepts,
       {},
       {}},
      {"escapes in a name",
       file("{" + entry(R"(a\u00e9\ud83d\ude00\"b)", "U8", "[1]", "[0,1]") + "}", 1),
       kAccepts,
       {},
       {}},
      // T15
      {"control characters in a name",
       file("{" + entry(R"(\u001b[2J\r\n)", "U8", "[1]", "[0,1]") + "}", 1),
       kAccepts,
       {OddTensorName},
       {}},
      {"reordering in a name",
       file("{" +
                entry("\xE2\x80\xAE"
                      "gnp",
                      "U8", "[1]", "[0,1]") +
                "}",
            1),
       kAccepts,
       {OddTensorName},
       {}},
      {"path as a name",
       file("{" + entry("../x", "U8", "[1]", "[0,1]") + "}", 1),
       kAccepts,
       {OddTensorName},
       {}},
      {"half a surrogate pair",
       file("{" + entry(R"(\ud83d)", "U8", "[1]", "[0,1]") + "}", 1),
       kRejects,
       {HeaderNotJson},
       {}},
      {"other half alone",
       file("{" + entry(R"(\ude00)", "U8", "[1]", "[0,1]") + "}", 1),
       kRejects,
       {HeaderNotJson},
       {}},
      {"raw control character",
       file("{" + entry("a\nb", "U8", "[1]", "[0,1]") + "}", 1),
       kRejects,
       {HeaderNotJson},
       {}},
      {"long name",
       file("{" + entry(std::string(1 << 20, 'n'), "U8", "[1]", "[0,1]") + "}", 1),
       kAccepts,
       {},
       {}},
      {"large metadata",
       file(R"({"__metadata__":{"a":")" + std::string(1 << 20, 'm') + "\"}}", 0),
       kAccepts,
       {LargeMetadata},
       {}},
  };
  cases.insert(cases.end(), rows.begin(), rows.end());
}

void add_entries(Cases& cases) {
  using enum Check;
  const auto fields = [](std::string_view dtype, std::string_view shape, std::string_view offsets) {
    return one(
        fmt::format(R"({{"dtype":{},"shape":{},"data_offsets":{}}})", dtype, shape, offsets));
  };
  const Cases rows = {
      {"plain", one(R"({"dtype":"I32","shape":[2,2],"data_offsets":[0,16]})"), kAccepts, {}, {}},
      {"fields in another order",
       one(R"({"data_offsets":[0,16],"shape":[2,2],"dtype":"I32"})"),
       kAccepts,
       {},
       {}},
      {"unknown field",
       one(R"({"dtype":"I32","shape":[2,2],"data_offsets":[0,16],"x":{"y":[1,null]}})"),
       kAccepts,
       {UnknownField},
       {}},
      {"unknown field with a huge number",
       one(R"({"dtype":"I32","shape":[2,2],"data_offsets":[0,16],"x":1e999})"),
       kRejects,
       {UnknownField, HeaderNotJson},
       {}},
      {"unknown field with half a pair",
       one(R"({"dtype":"I32","shape":[2,2],"data_offsets":[0,16],"x":"\ud800"})"),
       kRejects,
       {UnknownField, HeaderNotJson},
       {}},
      {"entry as an array", one(R"(["I32",[2,2],[0,16]])"), kAccepts, {EntryAsArray}, {}},
      {"entry as an array of 4",
       one(R"(["I32",[2,2],[0,16],0])"),
       kRejects,
       {BadTensorEntry, EntryAsArray},
       {}},
      {"entry as an array of 2",
       one(R"(["I32",[2,2]])"),
       kRejects,
       {EntryAsArray, BadTensorEntry},
       {}},
      {"entry as a number", one("7"), kRejects, {BadTensorEntry}, {}},
      {"entry as a string", one("\"I32\""), kRejects, {BadTensorEntry}, {}},
      {"entry null", one("null"), kRejects, {BadTensorEntry}, {}},
      {"no fields", one("{}"), kRejects, {BadTensorEntry, BadTensorEntry, BadTensorEntry}, {}},
      {"no dtype", one(R"({"shape":[2,2],"data_offsets":[0,16]})"), kRejects, {BadTensorEntry}, {}},
      {"no shape", one(R"({"dtype":"I32","data_offsets":[0,16]})"), kRejects, {BadTensorEntry}, {}},
      {"no data_offsets", one(R"({"dtype":"I32","shape":[2,2]})"), kRejects, {BadTensorEntry}, {}},
      {"dtype twice",
       one(R"({"dtype":"I32","dtype":"I32","shape":[2,2],"data_offsets":[0,16]})"),
       kRejects,
       {DuplicateField},
       {}},
      {"shape twice",
       one(R"({"dtype":"I32","shape":[2,2],"shape":[2,2],"data_offsets":[0,16]})"),
       kRejects,
       {DuplicateField},
       {}},
      {"data_offsets twice",
       one(R"({"dtype":"I32","shape":[2,2],"data_offsets":[0,16],"data_offsets":[0,16]})"),
       kRejects,
       {DuplicateField},
       {}},
      {"deep nesting in an unknown field", nested_field(125), kAccepts, {UnknownField}, {}},
      {"too deep nesting in an unknown field",
       nested_field(126),
       kRejects,
       {UnknownField, HeaderNotJson},
       {}},
      {"10,000 levels", nested_field(10'000), kRejects, {UnknownField, HeaderNotJson}, {}},  // T14
      // T13
      {"unknown dtype", fields("\"I4\"", "[2,2]", "[0,16]"), kRejects, {UnknownDType}, {}},
      {"dtype in lower case", fields("\"i32\"", "[2,2]", "[0,16]"), kRejects, {UnknownDType}, {}},
      {"dtype of another format",
       fields("\"Q4_K\"", "[2,2]", "[0,16]"),
       kRejects,
       {UnknownDType},
       {}},
      {"dtype with an escape", fields(R"("I\u00332")", "[2,2]", "[0,16]"), kAccepts, {}, {}},
      {"dtype number", fields("32", "[2,2]", "[0,16]"), kRejects, {BadTensorEntry}, {}},
      {"dtype object",
       fields(R"({"I32":null})", "[2,2]", "[0,16]"),
       kAccepts,
       {BadTensorEntry},
       "an accident of the Rust library's deserialiser, which no writer and no other reader knows"},
      {"dtype NaN", fields("NaN", "[2,2]", "[0,16]"), kRejects, {HeaderNotJson}, {}},
      // T10
      {"shape string", fields("\"I32\"", "\"2,2\"", "[0,16]"), kRejects, {BadTensorEntry}, {}},
      {"shape negative", fields("\"I32\"", "[-1,2]", "[0,16]"), kRejects, {BadTensorEntry}, {}},
      {"shape minus zero", fields("\"I32\"", "[-0]", "[0,16]"), kRejects, {BadTensorEntry}, {}},
      {"shape float", fields("\"I32\"", "[2.0,2]", "[0,16]"), kRejects, {BadTensorEntry}, {}},
      {"shape exponent", fields("\"I32\"", "[2e0,2]", "[0,16]"), kRejects, {BadTensorEntry}, {}},
      {"shape text number",
       fields("\"I32\"", "[\"2\",2]", "[0,16]"),
       kRejects,
       {BadTensorEntry},
       {}},
      {"shape bool", fields("\"I32\"", "[true,4]", "[0,16]"), kRejects, {BadTensorEntry}, {}},
      {"shape plus", fields("\"I32\"", "[+2,2]", "[0,16]"), kRejects, {HeaderNotJson}, {}},
      {"shape leading zero", fields("\"I32\"", "[02,2]", "[0,16]"), kRejects, {HeaderNotJson}, {}},
      {"shape 2^64",
       fields("\"I32\"", "[18446744073709551616]", "[0,16]"),
       kRejects,
       {BadTensorEntry},
       {}},
      {"shape 2^32 squared",
       fields("\"I32\"", "[4294967296,4294967296]", "[0,16]"),
       kRejects,
       {ShapeOverflow},
       {}},
      {"shape overflow before a zero",
       fields("\"I32\"", "[18446744073709551615,2,0]", "[0,0]"),
       kRejects,
       {ShapeOverflow, TrailingBytes},
       {}},
      {"2^61 of U8",
       fields("\"U8\"", "[2305843009213693952]", "[0,2305843009213693952]"),
       kRejects,
       {Truncated},
       {}},
      {"2^62 of F64",
       fields("\"F64\"", "[4611686018427387904]", "[0,16]"),
       kRejects,
       {ShapeOverflow},
       {}},
      {"64 dimensions", bytes_at({{"t", "[0,1]"}}, 1, {shape_of_ones(64)}), kAccepts, {}, {}},
      {"65 dimensions",
       bytes_at({{"t", "[0,1]"}}, 1, {shape_of_ones(65)}),
       kAccepts,
       {BadTensorEntry},
       "no framework goes beyond 64, and unbounded ones take 32 times the header in memory"},
      // T9
      {"offsets negative", fields("\"I32\"", "[2,2]", "[-1,16]"), kRejects, {BadTensorEntry}, {}},
      {"offsets exponent", fields("\"I32\"", "[2,2]", "[0,1e3]"), kRejects, {BadTensorEntry}, {}},
      {"offsets of three", fields("\"I32\"", "[2,2]", "[0,16,16]"), kRejects, {BadTensorEntry}, {}},
      {"offsets of one", fields("\"I32\"", "[2,2]", "[16]"), kRejects, {BadTensorEntry}, {}},
      {"offsets of none", fields("\"I32\"", "[2,2]", "[]"), kRejects, {BadTensorEntry}, {}},
      {"offsets number", fields("\"I32\"", "[2,2]", "16"), kRejects, {BadTensorEntry}, {}},
      {"offsets reversed", fields("\"I32\"", "[2,2]", "[16,0]"), kRejects, {OffsetsReversed}, {}},
      {"offsets 2^64-1",
       fields("\"I32\"", "[2,2]", "[0,18446744073709551615]"),
       kRejects,
       {Truncated},
       {}},
      // T11
      {"size short by one",
       fields("\"I32\"", "[2,2]", "[0,15]"),
       kRejects,
       {SizeMismatch, TrailingBytes},
       {}},
      {"size long by one",
       fields("\"I32\"", "[2,2]", "[0,17]"),
       kRejects,
       {SizeMismatch, Truncated},
       {}},
      // T16
      {"F4 odd",
       file("{" + entry("t", "F4", "[3]", "[0,2]") + "}", 2),
       kRejects,
       {SubByteRemainder},
       {}},
      {"F4 even", file("{" + entry("t", "F4", "[4]", "[0,2]") + "}", 2), kAccepts, {}, {}},
      {"F6 of 3",
       file("{" + entry("t", "F6_E2M3", "[3]", "[0,3]") + "}", 3),
       kRejects,
       {SubByteRemainder},
       {}},
      {"F6 of 4", file("{" + entry("t", "F6_E3M2", "[4]", "[0,3]") + "}", 3), kAccepts, {}, {}},
      {"F8_E8M0", file("{" + entry("t", "F8_E8M0", "[7]", "[0,7]") + "}", 7), kAccepts, {}, {}},
      {"F8_E4M3FNUZ",
       file("{" + entry("t", "F8_E4M3FNUZ", "[1]", "[0,1]") + "}", 1),
       kAccepts,
       {},
       {}},
      {"C64", file("{" + entry("t", "C64", "[2]", "[0,16]") + "}", 16), kAccepts, {}, {}},
  };
  cases.insert(cases.end(), rows.begin(), rows.end());
}

// 720,000 empty tensors in 18 MB, each entry as short as the library takes it.
std::string crowded_header() {
  constexpr std::string_view kDigits = "abcdefghijklmnopqrstuvwxyz0123456789";
  constexpr size_t kCount = 720'000;
  std::string header;
  header.reserve(kCount * 25 + 2);
  for (size_t i = 0; i < kCount; ++i) {
    header += i == 0 ? "{\"" : ",\"";
    for (size_t rest = i, letter = 0; letter < 4; ++letter, rest /= kDigits.size())
      header += kDigits[rest % kDigits.size()];
    header += "\":[\"U8\",[0],[0,0]]";
  }
  return header + "}";
}

void add_layouts(Cases& cases) {
  using enum Check;
  const Cases rows = {
      {"scalar", file("{" + entry("t", "F32", "[]", "[0,4]") + "}", 4), kAccepts, {}, {}},
      {"empty tensor", bytes_at({{"t", "[0,0]"}}, 0, {"[0]"}), kAccepts, {}, {}},
      {"[0, 2^64-1, 2]",
       bytes_at({{"t", "[0,0]"}}, 0, {"[0,18446744073709551615,2]"}),
       kAccepts,
       {},
       {}},
      {"one element in no bytes",
       bytes_at({{"t", "[0,0]"}}, 0, {"[1]"}),
       kRejects,
       {SizeMismatch},
       {}},
      {"empty tensor at a boundary",
       bytes_at({{"a", "[0,4]"}, {"z", "[4,4]"}, {"b", "[4,8]"}}, 8, {"[4]", "[0]", "[4]"}),
       kAccepts,
       {},
       {}},
      {"several empty tensors at one place",
       bytes_at({{"y", "[4,4]"}, {"a", "[0,4]"}, {"z", "[4,4]"}}, 4, {"[0]", "[4]", "[0]"}),
       kAccepts,
       {},
       {}},
      {"empty tensor in front",
       bytes_at({{"a", "[0,4]"}, {"z", "[0,0]"}}, 4, {"[4]", "[0]"}),
       kAccepts,
       {},
       {}},
      {"empty tensor inside another",
       bytes_at({{"a", "[0,4]"}, {"z", "[2,2]"}}, 4, {"[4]", "[0]"}),
       kRejects,
       {TensorsOverlap},
       {}},
      {"empty tensor beyond the data",
       bytes_at({{"a", "[0,4]"}, {"z", "[6,6]"}}, 4, {"[4]", "[0]"}),
       kRejects,
       {DataHole, Truncated},
       {}},
      {"any order",
       bytes_at({{"b", "[4,8]"}, {"c", "[8,9]"}, {"a", "[0,4]"}}, 9, {"[4]", "[1]", "[4]"}),
       kAccepts,
       {},
       {}},
      {"unaligned data",
       file("{" + entry("a", "U8", "[1]", "[0,1]") + "," + entry("b", "F64", "[1]", "[1,9]") + "}",
            9),
       kAccepts,
       {},
       {}},
      {"hole of 1",
       bytes_at({{"a", "[0,4]"}, {"b", "[5,9]"}}, 9, {"[4]", "[4]"}),
       kRejects,
       {DataHole},
       {}},
      {"hole in front", bytes_at({{"a", "[1,5]"}}, 5, {"[4]"}), kRejects, {DataHole}, {}},
      {"overlap by 1",
       bytes_at({{"a", "[0,4]"}, {"b", "[3,7]"}}, 7, {"[4]", "[4]"}),
       kRejects,
       {TensorsOverlap},
       {}},
      {"the same bytes twice",
       bytes_at({{"a", "[0,4]"}, {"b", "[0,4]"}}, 4, {"[4]", "[4]"}),
       kRejects,
       {TensorsOverlap},
       {}},
      {"one inside another",
       bytes_at({{"a", "[0,9]"}, {"b", "[3,7]"}}, 9, {"[9]", "[4]"}),
       kRejects,
       {TensorsOverlap},
       {}},
      {"past the end by 1",
       bytes_at({{"a", "[0,4]"}, {"b", "[4,8]"}}, 7, {"[4]", "[4]"}),
       kRejects,
       {Truncated},
       {}},
      // T12
      {"zip behind the data",
       bytes_at({{"a", "[0,4]"}}, 4, {"[4]"}) + "PK\x03\x04" + std::string(30, 'z'),
       kRejects,
       {TrailingBytes},
       {}},
      {"PDF behind the data",
       bytes_at({{"a", "[0,4]"}}, 4, {"[4]"}) + "%PDF-1.7\n",
       kRejects,
       {TrailingBytes},
       {}},
      {"program behind the data",
       bytes_at({{"a", "[0,4]"}}, 4, {"[4]"}) + "\x7F" + "ELF\x02\x01\x01",
       kRejects,
       {TrailingBytes},
       {}},
      // R0
      {"entries that take far more memory than text",
       file(crowded_header(), 0),
       kAccepts,
       {HeaderTooLarge},
       "memory stays within 48 MiB and twice the text; millions of empty tensors with names of a "
       "few letters would take five times theirs, and no writer makes them"},
  };
  cases.insert(cases.end(), rows.begin(), rows.end());
}

}  // namespace

const std::vector<SafetensorsCase>& safetensors_cases() {
  static const Cases kCases = [] {
    Cases cases;
    add_framing(cases);
    add_names_and_metadata(cases);
    add_entries(cases);
    add_layouts(cases);
    return cases;
  }();
  return kCases;
}

}  // namespace stkit::test
