#include "formats/gguf_reader.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "support/damage.h"
#include "support/gguf_builder.h"
#include "unit/formats/read_gguf.h"

namespace stkit {
namespace {

using test::GgufBuilder;
using test::le;
using test::read_gguf;

std::string small_valid_file() {
  return GgufBuilder()
      .text("general.architecture", "llama")
      .entry("flag", 7, "\1")
      .strings("words", {"", "a", "\xC3\xA9"})
      .entry("numbers", 9,
             test::gguf_array(2, 3, le(uint16_t{1}) + le(uint16_t{2}) + le(uint16_t{3})))
      .tensor("w", 0, {3, 2}, 24)
      .tensor("q", 8, {32, 2}, 68)
      .bytes();
}

TEST(GgufReader, ReadsValuesAndTensors) {
  const std::string bytes = small_valid_file();
  const GgufHeader header = read_gguf(bytes);
  EXPECT_EQ(test::messages(header.findings), "");
  EXPECT_EQ(header.version, 3u);
  ASSERT_EQ(header.metadata.size(), 4u);
  EXPECT_EQ(header.metadata[1].key, "flag");
  EXPECT_EQ(as_string(header.find("general.architecture")), "llama");
  EXPECT_EQ(as_bool(header.find("flag")), true);
  EXPECT_EQ(header.find("absent"), nullptr);

  const GgufArray* const words = as_array(header.find("words"), GgufType::String);
  ASSERT_NE(words, nullptr);
  const std::vector<std::string_view> strings(words->strings.begin(), words->strings.end());
  EXPECT_EQ(strings, (std::vector<std::string_view>{"", "a", "\xC3\xA9"}));
  EXPECT_EQ(as_array(header.find("words"), GgufType::U8), nullptr);
  const GgufArray* const numbers = as_array(header.find("numbers"), GgufType::U16);
  ASSERT_NE(numbers, nullptr);
  ASSERT_EQ(numbers->size(), 3u);
  EXPECT_EQ(numbers->number<uint16_t>(2), 3);

  ASSERT_EQ(header.tensors.size(), 2u);
  const TensorInfo& w = header.tensors[0];
  EXPECT_EQ(w.name, "w");
  EXPECT_EQ(w.dtype, DType::F32);
  EXPECT_EQ(std::vector<uint64_t>(w.shape.begin(), w.shape.end()), (std::vector<uint64_t>{2, 3}))
      << "outermost first";
  EXPECT_EQ(w.element_count, 6u);
  EXPECT_EQ(w.size_bytes, 24u);
  EXPECT_EQ(w.offset_bytes, header.data_offset);
  EXPECT_EQ(bytes.substr(w.offset_bytes, 24), std::string(24, 'w'));
  const TensorInfo& q = header.tensors[1];
  EXPECT_EQ(q.dtype, DType::Q8_0);
  EXPECT_EQ(q.size_bytes, 68u);
  EXPECT_EQ(q.offset_bytes, header.data_offset + 32);
  EXPECT_EQ(header.data_offset % 32, 0u);
}

TEST(GgufReader, ViewsOutliveTheReading) {
  GgufHeader kept;
  {
    std::string bytes = small_valid_file();
    GgufHeader header = read_gguf(bytes);
    std::ranges::fill(bytes, '\0');
    kept = std::move(header);
  }
  EXPECT_EQ(as_string(kept.find("general.architecture")), "llama");
  EXPECT_EQ(kept.tensors[1].name, "q");
}

TEST(GgufReader, WholeNumbersAreForgivenTheirType) {
  const GgufHeader header = read_gguf(GgufBuilder()
                                          .entry("u8", 0, "\x07")
                                          .entry("i8", 1, "\xFF")
                                          .entry("i64", 11, le(int64_t{1} << 40))
                                          .entry("f64", 12, le(2.5))
                                          .bytes());
  EXPECT_EQ(as_uint(header.find("u8")), 7u);
  EXPECT_EQ(as_uint(header.find("i8")), std::nullopt) << "is -1";
  EXPECT_EQ(as_number(header.find("i8")), -1.0);
  EXPECT_EQ(as_uint(header.find("i64")), uint64_t{1} << 40);
  EXPECT_EQ(as_uint(header.find("f64")), std::nullopt);
  EXPECT_EQ(as_number(header.find("f64")), 2.5);
  EXPECT_EQ(as_uint(header.find("absent")), std::nullopt);
}

TEST(GgufReader, KnowsAPart) {
  const GgufHeader header = read_gguf(GgufBuilder()
                                          .entry("split.no", 2, le(uint16_t{1}))
                                          .entry("split.count", 2, le(uint16_t{3}))
                                          .entry("split.tensors.count", 5, le(291))
                                          .bytes());
  ASSERT_TRUE(header.split());
  EXPECT_EQ(header.split()->number, 1);
  EXPECT_EQ(header.split()->count, 3);
  EXPECT_EQ(header.split()->tensors, 291u);
  EXPECT_FALSE(read_gguf(small_valid_file()).split());
}

// T32
TEST(GgufReader, OfTwoEqualNamesTheLastIsKept) {
  const GgufHeader header = read_gguf(GgufBuilder()
                                          .u32("k", 1)
                                          .u32("k", 2)
                                          .tensor("a", 0, {8}, 32)
                                          .tensor("a", 1, {16}, 32)
                                          .bytes());
  EXPECT_EQ(test::serious_slugs(header.findings),
            test::slugs({Check::GgufDuplicateKey, Check::GgufDuplicateTensor}));
  EXPECT_EQ(as_uint(header.find("k")), 2u);
  ASSERT_EQ(header.tensors.size(), 1u);
  EXPECT_EQ(header.tensors[0].dtype, DType::F16);
}

// Every byte of a sound file is header, tensor or padding.
TEST(GgufReader, PaddingIsWhatRemains) {
  const std::string bytes = small_valid_file();
  const GgufHeader header = read_gguf(bytes);
  uint64_t total = header.header_bytes;
  for (const TensorInfo& tensor : header.tensors) total += tensor.size_bytes;
  for (const ByteRun& run : gguf_padding(header, bytes.size())) total += run.size_bytes;
  EXPECT_EQ(total, bytes.size());
}

TEST(GgufReader, FindsWhatPaddingHides) {
  const auto check = [](std::string bytes, size_t position, char byte) {
    bytes[position] = byte;
    const auto file = open_memory_file("test.gguf", std::as_bytes(std::span(bytes)));
    const auto header = read_gguf_header(*file, test::kGgufLimit);
    EXPECT_TRUE(header->sound());
    const auto findings = check_gguf_padding(*file, *header);
    EXPECT_TRUE(findings);
    return test::messages(*findings);
  };
  const std::string bytes = small_valid_file();
  const GgufHeader header = read_gguf(bytes);
  for (const ByteRun& run : gguf_padding(header, bytes.size())) {
    EXPECT_EQ(check(bytes, run.offset_bytes, '\0'), "");
    const uint64_t last = run.offset_bytes + run.size_bytes - 1;
    EXPECT_EQ(check(bytes, last, 'h'),
              fmt::format("  byte {} of the file is padding, but not zero\n", last));
  }
}

TEST(GgufReader, EveryTruncationIsFound) {
  const std::string bytes = small_valid_file();
  const uint64_t padding = gguf_padding(read_gguf(bytes), bytes.size()).back().size_bytes;
  test::for_each_truncation(bytes, [&](const std::string& front) {
    const GgufHeader header = read_gguf(front);
    EXPECT_EQ(header.sound(), front.size() >= bytes.size() - padding) << front.size();
    EXPECT_FALSE(header.findings.empty()) << front.size();
  });
}

// Whatever is damaged, what is called sound lies inside the file and covers it.
TEST(GgufReader, EveryFlippedBitGivesASoundHeaderOrFindings) {
  const std::string bytes = small_valid_file();
  size_t sound = 0;
  test::for_each_flipped_bit(bytes, [&](const std::string& damaged, size_t at) {
    const GgufHeader header = read_gguf(damaged);
    if (!header.sound()) return;
    ++sound;
    uint64_t total = header.header_bytes;
    for (const TensorInfo& tensor : header.tensors) {
      EXPECT_LE(tensor.offset_bytes + tensor.size_bytes, damaged.size()) << at;
      total += tensor.size_bytes;
    }
    for (const ByteRun& run : gguf_padding(header, damaged.size())) {
      total += run.size_bytes;
      EXPECT_LT(run.size_bytes, 32u) << at;
    }
    EXPECT_EQ(total, damaged.size()) << at;
  });
  EXPECT_GT(sound, 92u * 8) << "the data is not looked at";
}

// Stands for a file of any size of which only the front has content.
class SparseFile : public RandomAccessFile {
 public:
  SparseFile(std::string front, uint64_t size) : front_(std::move(front)), size_(size) {}
  const std::string& label() const override { return label_; }
  uint64_t size_bytes() const override { return size_; }
  Result<void> read_at(uint64_t offset, std::span<std::byte> out) const override {
    EXPECT_LE(offset + out.size(), size_);
    bytes_read += out.size();
    ++reads;
    for (size_t i = 0; i < out.size(); ++i)
      out[i] = std::byte(offset + i < front_.size() ? front_[offset + i] : 0);
    return {};
  }
  mutable uint64_t bytes_read = 0;
  mutable uint64_t reads = 0;

 private:
  std::string label_ = "sparse.gguf";
  std::string front_;
  uint64_t size_;
};

// T29: lengths that a sparse file of a terabyte could hold are stopped by the limit.
TEST(GgufReader, SpendsNothingOnLengthsBeyondTheLimit) {
  constexpr uint64_t kTerabyte = 1'000'000'000'000;
  const std::string begin = "GGUF" + le(3u);
  const std::pair<std::string, std::string> rows[] = {
      {"tensors", begin + le(uint64_t{1} << 34) + le(uint64_t{0})},
      {"keys", begin + le(uint64_t{0}) + le(uint64_t{1} << 34)},
      {"a few keys too many", begin + le(uint64_t{0}) + le(kGgufMaxKeys + 1)},
      {"string", begin + le(uint64_t{0}) + le(uint64_t{1}) + test::gguf_string("k") + le(8u) +
                     le(uint64_t{1} << 39)},
      {"strings", begin + le(uint64_t{0}) + le(uint64_t{1}) + test::gguf_string("k") + le(9u) +
                      test::gguf_array(8, uint64_t{1} << 36, "")},
      {"numbers", begin + le(uint64_t{0}) + le(uint64_t{1}) + test::gguf_string("k") + le(9u) +
                      test::gguf_array(0, uint64_t{1} << 39, "")},
  };
  for (const auto& [name, front] : rows) {
    const SparseFile file(front, kTerabyte);
    const auto header = read_gguf_header(file, test::kGgufLimit);
    ASSERT_TRUE(header) << name;
    EXPECT_EQ(test::serious_slugs(header->findings), test::slugs({Check::GgufHeaderTooLarge}))
        << name;
    EXPECT_LE(file.bytes_read, 512u * 1024) << name;
  }
}

TEST(GgufReader, TakesAHeaderOfExactlyTheLimit) {
  const GgufBuilder builder = GgufBuilder().text("k", "value").tensor("a", 0, {8}, 32);
  const uint64_t size = builder.header().size();
  EXPECT_TRUE(read_gguf(builder.bytes(), size).sound());
  EXPECT_EQ(test::serious_slugs(read_gguf(builder.bytes(), size - 1).findings),
            test::slugs({Check::GgufHeaderTooLarge}));
}

TEST(GgufReader, NeverReadsTheDataAndAsksSeldom) {
  std::vector<std::string> words(200'000, "some token");
  const std::string front =
      GgufBuilder().strings("words", words).tensor("t", 0, {1 << 20, 1 << 10}, 0).bytes();
  const SparseFile file(front, (front.size() + 31) / 32 * 32 + (uint64_t{4} << 30));
  const auto header = read_gguf_header(file, test::kGgufLimit);
  ASSERT_TRUE(header);
  EXPECT_TRUE(header->sound()) << test::messages(header->findings);
  EXPECT_LE(file.reads, 5u);
  EXPECT_LE(file.bytes_read, front.size() + (4u << 20));
}

TEST(GgufReader, FailsWhenTheFileCannotBeRead) {
  class FailingFile : public SparseFile {
   public:
    using SparseFile::SparseFile;
    Result<void> read_at(uint64_t, std::span<std::byte>) const override {
      return fail(ErrorCode::ReadFailed, "input/output error");
    }
  };
  const auto header = read_gguf_header(FailingFile("", 100), test::kGgufLimit);
  ASSERT_FALSE(header);
  EXPECT_EQ(header.error().code, ErrorCode::ReadFailed);
}

// Longer than the reader's window, so that strings and arrays lie across its ends.
TEST(GgufReader, ReadsValuesOfAnySize) {
  std::string text(300'000, 't');
  std::string numbers;
  std::vector<std::string> words;
  for (int i = 0; i < 100'000; ++i) {
    numbers += le(i);
    words.push_back(fmt::format("word {}", i));
    text[static_cast<size_t>(i) * 3] = static_cast<char>('a' + i % 26);
  }
  const GgufHeader header = read_gguf(GgufBuilder()
                                          .entry("first", 9, test::gguf_array(5, 100'000, numbers))
                                          .text("text", text)
                                          .strings("words", words)
                                          .u32("last", 17)
                                          .bytes());
  EXPECT_TRUE(header.sound());
  EXPECT_EQ(as_string(header.find("text")), text);
  const GgufArray& first = *as_array(header.find("first"), GgufType::I32);
  const GgufArray& strings = *as_array(header.find("words"), GgufType::String);
  ASSERT_EQ(strings.size(), words.size());
  for (size_t i = 0; i < words.size(); i += 97) {
    EXPECT_EQ(first.number<int32_t>(i), static_cast<int32_t>(i));
    EXPECT_EQ(strings.strings[i], words[i]);
  }
  EXPECT_EQ(as_uint(header.find("last")), 17u);
}

}  // namespace
}  // namespace stkit
