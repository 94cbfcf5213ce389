#include "formats/safetensors_reader.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "support/damage.h"
#include "support/model_builder.h"
#include "support/safetensors_cases.h"
#include "unit/formats/read_bytes.h"

namespace stkit {
namespace {

using test::ModelBuilder;
using test::read_bytes;

std::string ids(const std::vector<Check>& checks) {
  std::string text;
  for (const Check check : checks) text += fmt::format("{} ", info(check).slug);
  return text;
}

// T1, T2, T3, T6, T7, T8, T9, T10, T12, T13, T14, T16, T17
TEST(SafetensorsReader, GivesTheVerdictOfTheTable) {
  for (const test::SafetensorsCase& row : test::safetensors_cases()) {
    const SafetensorsHeader header = read_bytes(row.bytes);
    EXPECT_EQ(ids(test::serious(header)), ids(row.checks)) << row.name;
    const bool stricter = !row.stricter_because.empty();
    EXPECT_EQ(header.sound(), row.rust_accepts && !stricter) << row.name;
    EXPECT_TRUE(row.rust_accepts || !stricter) << row.name << " is refused by both";
    for (const Finding& finding : header.findings) {
      EXPECT_EQ(finding.path, "test.safetensors") << row.name;
      EXPECT_FALSE(finding.message.empty()) << row.name;
    }
  }
}

TEST(SafetensorsReader, ReadsTensorsAndMetadata) {
  const std::string bytes = ModelBuilder()
                                .tensor("b", DType::F32, {2, 3})
                                .tensor("a", DType::U8, {5})
                                .tensor("scalar", DType::F64, {})
                                .metadata("format", "pt")
                                .metadata("note", "x\"\n\xC3\xA9")
                                .file_bytes();
  const SafetensorsHeader header = read_bytes(bytes);
  EXPECT_TRUE(header.sound());
  EXPECT_EQ(test::serious(header), std::vector<Check>());
  EXPECT_TRUE(header.has_metadata);
  const std::vector<std::pair<std::string, std::string>> metadata = {{"format", "pt"},
                                                                     {"note", "x\"\n\xC3\xA9"}};
  EXPECT_EQ(header.metadata, metadata);
  ASSERT_EQ(header.tensors.size(), 3u);
  const TensorInfo& first = header.tensors[0];
  EXPECT_EQ(first.name, "b");
  EXPECT_EQ(std::vector<uint64_t>(first.shape.begin(), first.shape.end()),
            (std::vector<uint64_t>{2, 3}));
  EXPECT_EQ(first.element_count, 6u);
  EXPECT_EQ(first.size_bytes, 24u);
  EXPECT_EQ(first.offset_bytes, header.header_bytes);
  EXPECT_EQ(bytes.substr(first.offset_bytes, 24), ModelBuilder::data_of("b", DType::F32, {2, 3}));
  EXPECT_EQ(header.tensors[1].name, "a");
  EXPECT_EQ(header.tensors[2].shape.size(), 0u);
  EXPECT_EQ(header.tensors[2].offset_bytes + 8, bytes.size());
}

TEST(SafetensorsReader, NamesOutliveTheReading) {
  SafetensorsHeader kept;
  {
    SafetensorsHeader header = read_bytes(test::safetensors_bytes(
        R"({"plain":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
        R"("\u0065scaped":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
        "ab"));
    kept = std::move(header);
  }
  ASSERT_EQ(kept.tensors.size(), 2u);
  EXPECT_EQ(kept.tensors[0].name, "plain");
  EXPECT_EQ(kept.tensors[1].name, "escaped");
}

TEST(SafetensorsReader, OfTwoEqualNamesTheLastIsKept) {
  const SafetensorsHeader header =
      read_bytes(test::safetensors_bytes(R"({"a":{"dtype":"U8","shape":[9],"data_offsets":[0,9]},)"
                                         R"("b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                                         R"("a":{"dtype":"I8","shape":[1],"data_offsets":[1,2]}})",
                                         "ab"));
  EXPECT_EQ(ids(test::serious(header)), ids({Check::DuplicateTensor}));
  ASSERT_EQ(header.tensors.size(), 2u);
  EXPECT_EQ(header.tensors[1].name, "a");
  EXPECT_EQ(header.tensors[1].dtype, DType::I8);
}

TEST(SafetensorsReader, TheLastOfTwoMetadataValuesCounts) {
  const SafetensorsHeader header =
      read_bytes(test::safetensors_bytes(R"({"__metadata__":{"a":"1","b":"2","\u0061":"3"}})", ""));
  const std::vector<std::pair<std::string, std::string>> expected = {{"b", "2"}, {"a", "3"}};
  EXPECT_EQ(header.metadata, expected);
  EXPECT_TRUE(header.sound());
}

TEST(SafetensorsReader, BrokenEntriesStillCoverTheirBytes) {
  const SafetensorsHeader header =
      read_bytes(test::safetensors_bytes(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)"
                                         R"("b":{"dtype":"I3","shape":[4],"data_offsets":[4,8]},)"
                                         R"("c":{"dtype":"U8","shape":[4],"data_offsets":[8,12]}})",
                                         "0123456789AB"));
  EXPECT_EQ(ids(test::serious(header)), ids({Check::UnknownDType})) << "and no hole";
  EXPECT_EQ(header.tensors.size(), 2u);
}

TEST(SafetensorsReader, ListsSeveralFindingsAndBoundsEachKind) {
  std::string text = "{";
  for (int i = 0; i < 100; ++i)
    text +=
        fmt::format(R"("{}":{{"dtype":"I3","shape":[1],"data_offsets":[{},{}]}},)", i, i, i + 1);
  text += R"("z":{"dtype":"U8","shape":[-1],"data_offsets":[100,101]}})";
  const SafetensorsHeader header = read_bytes(test::safetensors_bytes(text, std::string(101, 'x')));
  const auto count = [&](Check check) {
    return static_cast<size_t>(std::ranges::count(header.findings, check, &Finding::check));
  };
  EXPECT_EQ(count(Check::UnknownDType), kMaxFindingsOfAKind);
  EXPECT_EQ(count(Check::BadTensorEntry), 1u);
  const auto last = std::ranges::find(header.findings.rbegin(), header.findings.rend(),
                                      Check::UnknownDType, &Finding::check);
  EXPECT_TRUE(last->message.ends_with(" (and 80 more like it)")) << last->message;
}

// Keeps to what a remote file would be asked for.
class RecordingFile : public RandomAccessFile {
 public:
  RecordingFile(std::string bytes, uint64_t size) : bytes_(std::move(bytes)), size_(size) {}
  const std::string& label() const override { return label_; }
  uint64_t size_bytes() const override { return size_; }
  Result<void> read_at(uint64_t offset, std::span<std::byte> out) const override {
    reads.emplace_back(offset, out.size());
    for (size_t i = 0; i < out.size(); ++i)
      out[i] = std::byte(offset + i < bytes_.size() ? bytes_[offset + i] : 'w');
    return {};
  }
  mutable std::vector<std::pair<uint64_t, uint64_t>> reads;

 private:
  std::string label_ = "recorded";
  std::string bytes_;
  uint64_t size_;
};

TEST(SafetensorsReader, ReadsTheHeaderInTwoAndNeverTheData) {
  const std::string bytes = ModelBuilder().tensor("t", DType::F32, {1000}).file_bytes();
  const RecordingFile file(bytes, bytes.size());
  const auto header = read_safetensors_header(file, test::kDefaultLimit);
  ASSERT_TRUE(header);
  EXPECT_TRUE(header->sound());
  const std::vector<std::pair<uint64_t, uint64_t>> expected = {{0, 8},
                                                               {8, header->header_bytes - 8}};
  EXPECT_EQ(file.reads, expected);
}

std::string length_only(uint64_t length) {
  std::string bytes;
  for (int shift = 0; shift < 64; shift += 8) bytes += static_cast<char>(length >> shift & 0xFF);
  return bytes;
}

// T2, T4: a forged length is refused by the numbers, before memory or reading is spent on it.
TEST(SafetensorsReader, RefusesALengthBeforeReadingThatMuch) {
  for (const uint64_t length : {uint64_t{100'000'001}, uint64_t{1} << 40, uint64_t{1} << 63}) {
    const RecordingFile file(length_only(length), ~uint64_t{0} >> 1);
    const auto header = read_safetensors_header(file, test::kDefaultLimit);
    ASSERT_TRUE(header);
    EXPECT_EQ(ids(test::serious(*header)), ids({Check::HeaderTooLarge})) << length;
    uint64_t total = 0;
    for (const auto& [offset, size] : file.reads) total += size;
    EXPECT_LE(total, 8 + kForeignHeadBytes) << length;
  }
}

// R0: 4 bytes of the parser for each bracket and comma, and an entry for each key, are bounded.
TEST(SafetensorsReader, RefusesAHeaderThatWouldTakeFarMoreMemoryThanItsSize) {
  struct Row {
    const char* name;
    std::string begin, repeated, end;
    size_t size_bytes;
  };
  for (const Row& row : {Row{"an array", "[", "0,", "0]", 26'000'000},
                         Row{"a list in an entry", R"({"a":[)", "0,", "0]}", 26'000'000},
                         Row{"entries without names", "{", R"("":0,)", R"("":0})", 4'000'000},
                         Row{"a backslash in front", "{\\\"[", "0,", "0]", 26'000'000}}) {
    std::string text = row.begin;
    while (text.size() < row.size_bytes) text += row.repeated;
    text += row.end;
    const std::string bytes = test::safetensors_bytes(text, "");
    const SafetensorsHeader refused = read_bytes(bytes);
    ASSERT_EQ(ids(test::serious(refused)), "header-too-large ") << row.name;
    EXPECT_NE(refused.findings.back().message.find("of memory; the limit is"), std::string::npos)
        << refused.findings.back().message;
  }
}

TEST(SafetensorsReader, TrustsWhoRaisesTheLimit) {
  std::string text = "{";
  while (text.size() < 4'000'000) text += R"("":0,)";
  text.back() = '}';
  const std::string bytes = test::safetensors_bytes(text, "");
  EXPECT_EQ(ids(test::serious(read_bytes(bytes))), "header-too-large ");
  const std::string read = ids(test::serious(read_bytes(bytes, 400'000'000)));
  EXPECT_NE(read.find("bad-tensor-entry"), std::string::npos) << read;
  EXPECT_EQ(read.find("header-too-large"), std::string::npos) << read;
}

// T5
TEST(SafetensorsReader, TakesAHeaderOfExactlyTheLimit) {
  std::string text = R"({"t":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})";
  text.resize(4096, ' ');
  const std::string bytes = test::safetensors_bytes(text, "x");
  EXPECT_TRUE(read_bytes(bytes, 4096).sound());
  EXPECT_EQ(ids(test::serious(read_bytes(bytes, 4095))), ids({Check::HeaderTooLarge}));
}

TEST(SafetensorsReader, FailsWhenTheFileCannotBeRead) {
  class FailingFile : public RecordingFile {
   public:
    using RecordingFile::RecordingFile;
    Result<void> read_at(uint64_t, std::span<std::byte>) const override {
      return fail(ErrorCode::ReadFailed, "input/output error");
    }
  };
  const auto header = read_safetensors_header(FailingFile("", 100), test::kDefaultLimit);
  ASSERT_FALSE(header);
  EXPECT_EQ(header.error().code, ErrorCode::ReadFailed);
}

std::string small_valid_file() {
  return ModelBuilder()
      .tensor("a", DType::BF16, {2, 2})
      .tensor("\xC3\xA9\n", DType::U8, {0})
      .tensor("b", DType::F32, {1})
      .metadata("format", "pt")
      .file_bytes();
}

TEST(SafetensorsReader, EveryTruncationIsFound) {
  const std::string bytes = small_valid_file();
  ASSERT_TRUE(read_bytes(bytes).sound());
  test::for_each_truncation(bytes, [](const std::string& front) {
    EXPECT_FALSE(read_bytes(front).sound()) << front.size();
  });
}

// Whatever is damaged, what is called sound lies inside the file and covers it.
TEST(SafetensorsReader, EveryFlippedBitGivesASoundHeaderOrFindings) {
  const std::string bytes = small_valid_file();
  size_t sound = 0;
  test::for_each_flipped_bit(bytes, [&](const std::string& damaged, size_t at) {
    const SafetensorsHeader header = read_bytes(damaged);
    if (!header.sound()) return;
    ++sound;
    uint64_t end = header.header_bytes;
    for (const TensorInfo& tensor : header.tensors) {
      EXPECT_EQ(tensor.offset_bytes, end) << at;
      end += tensor.size_bytes;
    }
    EXPECT_EQ(end, damaged.size()) << at;
  });
  EXPECT_GT(sound, 12u * 8) << "the data is not looked at";
}

// Names in a scrambled order, so that sorting and looking for duplicates have work to do.
TEST(SafetensorsReader, ReadsAHundredThousandTensors) {
  constexpr uint64_t kCount = 100'000;
  std::string text = "{";
  for (uint64_t i = 0; i < kCount; ++i) {
    const uint64_t place = i * 7919 % kCount;
    text += fmt::format(R"({}"layer.{}.w":{{"dtype":"BF16","shape":[1,2],"data_offsets":[{},{}]}})",
                        i == 0 ? "" : ",", place, place * 4, place * 4 + 4);
  }
  const SafetensorsHeader header =
      read_bytes(test::safetensors_bytes(text + "}", std::string(kCount * 4, 'x')));
  EXPECT_TRUE(header.sound());
  ASSERT_EQ(header.tensors.size(), kCount);
  for (uint64_t i = 0; i < kCount; i += 997)
    EXPECT_EQ(header.tensors[i].name, fmt::format("layer.{}.w", i));
}

}  // namespace
}  // namespace stkit
