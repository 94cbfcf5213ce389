#include "formats/gguf_writer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <limits>

#include "formats/ggml_types.h"
#include "support/gguf_builder.h"
#include "support/model_builder.h"
#include "unit/formats/read_gguf.h"

namespace stkit {
namespace {

using test::GgufBuilder;
using test::le;

GgufLayout plan(const std::vector<GgufEntry>& metadata, const std::vector<TensorSpec>& specs,
                uint32_t alignment = 32) {
  auto layout = plan_gguf(metadata, specs, alignment);
  EXPECT_TRUE(layout) << layout.error().message;
  return layout ? std::move(*layout) : GgufLayout{};
}

// The file, of which every byte is written exactly once.
std::string bytes_of(const GgufLayout& layout, const std::vector<TensorSpec>& specs) {
  std::string bytes = layout.header;
  bytes.resize(layout.file_bytes, '?');
  uint64_t total = layout.header.size();
  for (const auto& entry : layout.entries) {
    const TensorSpec& spec = specs[entry.spec];
    const std::string data = test::ModelBuilder::data_of(spec.name, spec.dtype, spec.shape);
    EXPECT_EQ(data.size(), entry.size_bytes) << spec.name;
    bytes.replace(entry.offset_bytes, data.size(), data);
    total += data.size();
  }
  for (const ByteRun& run : layout.padding) {
    bytes.replace(run.offset_bytes, run.size_bytes, run.size_bytes, '\0');
    total += run.size_bytes;
  }
  EXPECT_EQ(total, layout.file_bytes);
  return bytes;
}

// The format is written by two programs, which know nothing of each other.
TEST(GgufWriter, WritesTheBytesOfTheBuilder) {
  const std::array<std::string_view, 2> words = {"", "a"};
  const std::array<int32_t, 2> types = {1, -1};
  const std::vector<TensorSpec> specs = {{"w", DType::F32, {2, 3}}, {"q", DType::Q4_K, {256}}};
  const std::string expected =
      GgufBuilder()
          .text("general.architecture", "llama")
          .u32("llama.block_count", 1)
          .strings("words", {"", "a"})
          .entry("types", 9, test::gguf_array(5, 2, le(1) + le(-1)))
          .tensor("w", 0, {3, 2}, test::ModelBuilder::data_of("w", DType::F32, {2, 3}))
          .tensor("q", 12, {256}, test::ModelBuilder::data_of("q", DType::Q4_K, {256}))
          .bytes();
  const GgufLayout layout = plan({{"general.architecture", std::string_view("llama")},
                                  {"llama.block_count", uint32_t{1}},
                                  {"words", gguf_array(words)},
                                  {"types", gguf_array(types)}},
                                 specs);
  EXPECT_EQ(bytes_of(layout, specs), expected);
}

TEST(GgufWriter, EveryTypeOfValueReadsBackAsItIs) {
  const std::array<std::string_view, 3> strings = {"", "x", "\xC3\xA9"};
  const std::array<bool, 2> flags = {true, false};
  const std::array<uint8_t, 2> u8 = {0, 255};
  const std::array<int16_t, 2> i16 = {-32768, 32767};
  const std::array<float, 3> f32 = {0.5f, -0.0f, std::numeric_limits<float>::infinity()};
  const std::array<uint64_t, 1> u64 = {~uint64_t{0}};
  const std::array<double, 1> f64 = {1e308};
  const std::vector<GgufEntry> metadata = {
      {"u8", uint8_t{255}},
      {"i8", int8_t{-128}},
      {"u16", uint16_t{65535}},
      {"i16", int16_t{-32768}},
      {"u32", ~uint32_t{0}},
      {"i32", std::numeric_limits<int32_t>::min()},
      {"f32", 1.5f},
      {"bool", true},
      {"string", std::string_view("text")},
      {"empty", std::string_view()},
      {"u64", ~uint64_t{0}},
      {"i64", std::numeric_limits<int64_t>::min()},
      {"f64", -0.0},
      {"strings", gguf_array(strings)},
      {"flags", gguf_array(flags)},
      {"array of u8", gguf_array(u8)},
      {"array of i16", gguf_array(i16)},
      {"array of f32", gguf_array(f32)},
      {"array of u64", gguf_array(u64)},
      {"array of f64", gguf_array(f64)},
      {"empty array", gguf_array(std::span<const float>())},
  };
  const GgufHeader header = test::read_gguf(plan(metadata, {}).header);
  EXPECT_EQ(test::messages(header.findings), "");
  ASSERT_EQ(header.metadata.size(), metadata.size());
  for (size_t i = 0; i < metadata.size(); ++i) {
    const GgufEntry& written = metadata[i];
    const GgufEntry& read = header.metadata[i];
    EXPECT_EQ(read.key, written.key);
    ASSERT_EQ(type_of(read.value), type_of(written.value)) << written.key;
    if (const auto* const array = std::get_if<GgufArray>(&written.value)) {
      const auto& other = std::get<GgufArray>(read.value);
      EXPECT_EQ(other.element, array->element) << written.key;
      EXPECT_TRUE(std::ranges::equal(other.numbers, array->numbers)) << written.key;
      EXPECT_TRUE(std::ranges::equal(other.strings, array->strings)) << written.key;
    } else {
      std::visit(
          [&]<class T>(const T& value) {
            if constexpr (!std::is_same_v<T, GgufArray>) {
              EXPECT_EQ(std::get<T>(read.value), value) << written.key;
            }
          },
          written.value);
    }
  }
}

TEST(GgufWriter, EveryTypeOfTensorReadsBackAsItIs) {
  std::vector<TensorSpec> specs;
  for (const DTypeInfo& row : dtypes())
    if (ggml_id(row.dtype))
      specs.push_back({std::string(row.name), row.dtype, {3, 2, uint64_t{row.block_elements} * 3}});
  ASSERT_EQ(specs.size(), 33u);
  const std::string bytes = bytes_of(plan({}, specs), specs);
  const GgufHeader header = test::read_gguf(bytes);
  EXPECT_EQ(test::messages(header.findings), "");
  ASSERT_EQ(header.tensors.size(), specs.size());
  for (size_t i = 0; i < specs.size(); ++i) {
    const TensorInfo& tensor = header.tensors[i];
    EXPECT_EQ(tensor.name, specs[i].name);
    EXPECT_EQ(tensor.dtype, specs[i].dtype);
    EXPECT_TRUE(std::ranges::equal(tensor.shape, specs[i].shape)) << tensor.name;
    EXPECT_EQ(bytes.substr(tensor.offset_bytes, tensor.size_bytes),
              test::ModelBuilder::data_of(specs[i].name, specs[i].dtype, specs[i].shape));
  }
}

TEST(GgufWriter, IdsAndTypesMapBothWays) {
  for (uint32_t id = 0; id < 256; ++id) {
    const auto dtype = dtype_of_ggml(id);
    if (dtype) {
      EXPECT_EQ(ggml_id(*dtype), id);
    } else {
      EXPECT_FALSE(describe_unusable_ggml_type(id).empty());
    }
  }
  EXPECT_EQ(ggml_id(DType::U8), std::nullopt);
  EXPECT_EQ(ggml_id(DType::F8_E4M3), std::nullopt);
}

TEST(GgufWriter, AlignsByWhatIsAsked) {
  const std::vector<TensorSpec> specs = {{"a", DType::F32, {3}}, {"b", DType::F16, {1}}};
  for (const uint32_t alignment : {1u, 8u, 32u, 64u, 4096u, 2u << 20}) {
    const GgufLayout layout = plan({}, specs, alignment);
    for (const auto& entry : layout.entries) EXPECT_EQ(entry.offset_bytes % alignment, 0u);
    EXPECT_EQ(layout.file_bytes % alignment, 0u);
    const GgufHeader header = test::read_gguf(bytes_of(layout, specs));
    EXPECT_EQ(test::messages(header.findings), "") << alignment;
    EXPECT_EQ(header.alignment, alignment);
    EXPECT_EQ(header.find("general.alignment") == nullptr, alignment == 32);
  }
  const GgufLayout kept = plan({{"general.alignment", uint32_t{64}}}, specs, 64);
  EXPECT_EQ(test::read_gguf(bytes_of(kept, specs)).metadata.size(), 1u);
}

TEST(GgufWriter, AScalarBecomesOneElement) {
  const std::vector<TensorSpec> specs = {{"s", DType::F32, {}}};
  const GgufHeader header = test::read_gguf(bytes_of(plan({}, specs), specs));
  ASSERT_EQ(header.tensors.size(), 1u);
  EXPECT_TRUE(std::ranges::equal(header.tensors[0].shape, std::array{uint64_t{1}}));
}

struct Refusal {
  std::string name;
  std::vector<GgufEntry> metadata;
  std::vector<TensorSpec> specs;
  std::string message;
  uint32_t alignment = 32;
};

TEST(GgufWriter, RefusesWhatTheReaderWould) {
  const std::vector<TensorSpec> none;
  const GgufArray nested{GgufType::Array, {}, {}};
  const std::string long_key(65'536, 'k');
  const std::array<std::string_view, 2> tokens = {"a", "b"};
  const std::array<float, 1> scores = {1};
  const std::vector<Refusal> rows = {
      {"empty key", {{"", true}}, none, "a metadata key is empty"},
      {"long key", {{long_key, true}}, none, "has 65,536 bytes"},
      {"key twice", {{"k", true}, {"k", true}}, none, "metadata key 'k' occurs more than once"},
      {"known key of another type",
       {{"general.architecture", uint32_t{1}}},
       none,
       "general.architecture is of type u32, not string"},
      {"array of arrays", {{"k", nested}}, none, "'k' is an array of arrays"},
      {"token lists",
       {{"tokenizer.ggml.tokens", gguf_array(tokens)},
        {"tokenizer.ggml.scores", gguf_array(scores)}},
       none,
       "tokenizer.ggml.scores has 1 elements, but there are 2 tokens"},
      {"blocks",
       {{"general.architecture", std::string_view("llama")}, {"llama.block_count", uint32_t{2}}},
       {{"a", DType::F32, {1}}},
       "'llama.block_count' is 2, but the file has 1 tensors"},
      {"alignment 3", {}, none, "an alignment of 3 is not a power of two", 3},
      {"alignment 0", {}, none, "an alignment of 0 is not a power of two", 0},
      {"alignment of 4 MiB", {}, none, "an alignment of 4,194,304 is not", 4 << 20},
      {"two alignments",
       {{"general.alignment", uint32_t{64}}},
       none,
       "general.alignment is 64, but the file is planned for 32"},
      {"empty name", {}, {{"", DType::F32, {1}}}, "a tensor has an empty name"},
      {"long name", {}, {{std::string(64, 'n'), DType::F32, {1}}}, "has 64 bytes; at most 63"},
      {"name twice",
       {},
       {{"a", DType::F32, {1}}, {"a", DType::F32, {1}}},
       "two tensors have the name 'a'"},
      {"five dimensions", {}, {{"a", DType::F32, {1, 1, 1, 1, 1}}}, "has 5 dimensions"},
      {"dimension of 0", {}, {{"a", DType::F32, {0}}}, "with a dimension of 0"},
      {"too large", {}, {{"a", DType::F32, {uint64_t{1} << 62}}}, "2^63 bytes or more"},
      {"too large together",
       {},
       {{"a", DType::I8, {uint64_t{1} << 62}}, {"b", DType::I8, {uint64_t{1} << 62}}},
       "together take more than 2^63 bytes"},
      {"half a block", {}, {{"a", DType::Q8_0, {2, 48}}}, "rows of 48 elements"},
      {"U8", {}, {{"a", DType::U8, {1}}}, "tensor 'a' has type U8, which GGUF does not have"},
  };
  for (const Refusal& row : rows) {
    const auto layout = plan_gguf(row.metadata, row.specs, row.alignment);
    ASSERT_FALSE(layout) << row.name;
    EXPECT_NE(layout.error().message.find(row.message), std::string::npos)
        << row.name << ": " << layout.error().message;
    EXPECT_TRUE(layout.error().code == ErrorCode::Unsupported ||
                layout.error().code == ErrorCode::Usage)
        << row.name;
  }
}

// A vocabulary may have tokens that are bytes; a copy keeps them.
TEST(GgufWriter, KeepsTextThatIsNotUtf8) {
  const std::array<std::string_view, 1> tokens = {"\xff"};
  const GgufHeader header =
      test::read_gguf(plan({{"tokenizer.ggml.tokens", gguf_array(tokens)}}, {}).header);
  EXPECT_TRUE(header.sound());
  EXPECT_EQ(as_array(header.find("tokenizer.ggml.tokens"), GgufType::String)->strings[0], "\xff");
}

// --- split files ---

std::vector<TensorSpec> ten_tensors() {
  std::vector<TensorSpec> specs;
  for (int i = 0; i < 10; ++i) specs.push_back({fmt::format("t{}", i), DType::F32, {250}});
  return specs;
}

TEST(GgufSplit, PartsAreSoundAndNoneIsLargerThanAsked) {
  const std::vector<TensorSpec> specs = ten_tensors();
  const std::vector<GgufEntry> metadata = {{"general.architecture", std::string_view("llama")},
                                           {"llama.block_count", uint32_t{10}}};
  constexpr uint64_t kMost = 4000;
  const auto parts = plan_split_gguf(metadata, specs, kMost);
  ASSERT_TRUE(parts) << parts.error().message;
  ASSERT_EQ(parts->size(), 4u);
  uint32_t next = 0;
  for (size_t i = 0; i < parts->size(); ++i) {
    const GgufLayout& part = (*parts)[i];
    EXPECT_LE(part.file_bytes, kMost);
    const GgufHeader header = test::read_gguf(bytes_of(part, specs));
    EXPECT_EQ(test::messages(header.findings), "") << i;
    ASSERT_TRUE(header.split()) << i;
    EXPECT_EQ(header.split()->number, i);
    EXPECT_EQ(header.split()->count, 4);
    EXPECT_EQ(header.split()->tensors, 10u);
    EXPECT_EQ(header.metadata.size(), i == 0 ? 5u : 3u);
    for (const auto& entry : part.entries) EXPECT_EQ(entry.spec, next++);
    // Greedy: one tensor more would not have fitted.
    if (i + 1 < parts->size()) {
      EXPECT_GT(part.file_bytes + 250 * 4, kMost) << i;
    }
  }
  EXPECT_EQ(next, 10u);
}

TEST(GgufSplit, ExactlyWhatFitsIsOneFile) {
  const std::vector<TensorSpec> specs = ten_tensors();
  const uint64_t whole = plan({}, specs).file_bytes;
  const auto one = plan_split_gguf({}, specs, whole);
  ASSERT_TRUE(one);
  ASSERT_EQ(one->size(), 1u);
  EXPECT_FALSE(test::read_gguf(bytes_of((*one)[0], specs)).split());
  const auto two = plan_split_gguf({}, specs, whole - 1);
  ASSERT_TRUE(two);
  EXPECT_EQ(two->size(), 2u);
}

TEST(GgufSplit, ATensorLargerThanAPartIsAloneInOne) {
  const auto parts = plan_split_gguf({}, ten_tensors(), 1);
  ASSERT_TRUE(parts);
  EXPECT_EQ(parts->size(), 10u);
  const std::vector<TensorSpec> single = {{"a", DType::F32, {100}}};
  const auto one = plan_split_gguf({}, single, 1);
  ASSERT_TRUE(one);
  EXPECT_EQ(one->size(), 1u) << "the only tensor cannot be split";
}

TEST(GgufSplit, EveryPartKnowsTheAlignment) {
  const std::vector<TensorSpec> specs = ten_tensors();
  const auto parts = plan_split_gguf({}, specs, 6000, 512);
  ASSERT_TRUE(parts);
  ASSERT_GT(parts->size(), 1u);
  for (const GgufLayout& part : *parts) {
    const GgufHeader header = test::read_gguf(bytes_of(part, specs));
    EXPECT_EQ(test::messages(header.findings), "");
    EXPECT_EQ(header.alignment, 512u);
    EXPECT_LE(part.file_bytes, 6000u);
  }
}

TEST(GgufSplit, RefusesMorePartsThanCanBeCounted) {
  std::vector<TensorSpec> specs;
  for (int i = 0; i < 65'536; ++i) specs.push_back({fmt::format("t{}", i), DType::I8, {1}});
  const auto parts = plan_split_gguf({}, specs, 1);
  ASSERT_FALSE(parts);
  EXPECT_NE(parts.error().message.find("65,536 parts"), std::string::npos);
  specs.pop_back();
  EXPECT_TRUE(plan_split_gguf({}, specs, 1));
}

TEST(GgufSplit, RefusesAPartAsItsInput) {
  const std::vector<GgufEntry> metadata = {{"split.count", uint16_t{2}}};
  const auto parts = plan_split_gguf(metadata, ten_tensors(), 4000);
  ASSERT_FALSE(parts);
  EXPECT_NE(parts.error().message.find("it has split.count"), std::string::npos);
}

TEST(GgufSplit, NamesParts) {
  EXPECT_EQ(gguf_part_name("model", 0, 3), "model-00001-of-00003.gguf");
  EXPECT_EQ(gguf_part_name("m", 122, 65'535), "m-00123-of-65535.gguf");
}

}  // namespace
}  // namespace stkit
