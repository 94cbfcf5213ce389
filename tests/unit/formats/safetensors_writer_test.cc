#include <gtest/gtest.h>

#include <algorithm>

#include "stkit/writer.h"
#include "support/model_builder.h"
#include "unit/formats/read_bytes.h"

namespace stkit {
namespace {

using Metadata = std::map<std::string, std::string, std::less<>>;

SafetensorsLayout plan(const std::vector<TensorSpec>& specs, const Metadata& metadata = {},
                       const LayoutOptions& options = {}) {
  auto layout = plan_safetensors(specs, metadata, options);
  EXPECT_TRUE(layout) << layout.error().message;
  return layout ? std::move(*layout) : SafetensorsLayout{};
}

std::string json_of(const SafetensorsLayout& layout) {
  std::string json = layout.header.substr(8);
  json.resize(json.find_last_not_of(' ') + 1);
  return json;
}

std::string bytes_of(const SafetensorsLayout& layout, const std::vector<TensorSpec>& specs) {
  std::string bytes = layout.header;
  bytes.resize(layout.file_bytes);
  for (const auto& entry : layout.entries) {
    const TensorSpec& spec = specs[entry.spec];
    const std::string data = test::ModelBuilder::data_of(spec.name, spec.dtype, spec.shape);
    EXPECT_EQ(data.size(), entry.size_bytes) << spec.name;
    std::ranges::copy(data, bytes.begin() + static_cast<std::ptrdiff_t>(entry.offset_bytes));
  }
  return bytes;
}

TEST(SafetensorsWriter, WritesTheBytesOfTheReferenceLibrary) {
  // As safetensors 0.8.0 writes the same tensors.
  const std::vector<TensorSpec> specs = {{"b", DType::U8, {3}},
                                         {"z", DType::F32, {2, 2}},
                                         {"a", DType::F32, {}},
                                         {"\"\\\b\f\n\r\t\x1f\x7f\xC3\xA9", DType::I64, {0}}};
  const SafetensorsLayout layout = plan(specs, {{"format", "pt"}});
  EXPECT_EQ(json_of(layout),
            "{\"__metadata__\":{\"format\":\"pt\"},"
            "\"\\\"\\\\\\b\\f\\n\\r\\t\\u001f\x7f\xC3\xA9\":{\"dtype\":\"I64\",\"shape\":[0],"
            "\"data_offsets\":[0,0]},"
            "\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]},"
            "\"z\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[4,20]},"
            "\"b\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[20,23]}}");
  EXPECT_EQ(layout.header.size() % 8, 0u);
  EXPECT_EQ(layout.file_bytes, layout.header.size() + 23);
}

TEST(SafetensorsWriter, AnEmptyFileIsSixteenBytes) {
  const SafetensorsLayout layout = plan({});
  EXPECT_EQ(layout.header, std::string("\x08\0\0\0\0\0\0\0{}      ", 16));
  EXPECT_EQ(layout.file_bytes, 16u);
}

TEST(SafetensorsWriter, EveryDTypeReadsBack) {
  std::vector<TensorSpec> specs;
  for (const DTypeInfo& row : dtypes())
    if (row.in_safetensors()) {
      specs.push_back({std::string("t.") + std::string(row.name), row.dtype, {3, 4}});
      specs.push_back({std::string("empty.") + std::string(row.name), row.dtype, {0, 7}});
    }
  const SafetensorsLayout layout = plan(specs, {{"b", "2"}, {"a", "1"}, {"format", "pt"}});
  const std::string bytes = bytes_of(layout, specs);
  const SafetensorsHeader header = test::read_bytes(bytes);
  EXPECT_EQ(header.findings.size(), 0u) << header.findings[0].message << ": aligned and tagged";
  ASSERT_EQ(header.tensors.size(), 44u);
  const std::vector<std::pair<std::string, std::string>> metadata = {
      {"a", "1"}, {"b", "2"}, {"format", "pt"}};
  EXPECT_EQ(header.metadata, metadata);
  for (const TensorInfo& tensor : header.tensors) {
    const auto spec = std::ranges::find(specs, tensor.name, &TensorSpec::name);
    ASSERT_NE(spec, specs.end());
    EXPECT_EQ(tensor.dtype, spec->dtype);
    EXPECT_TRUE(std::ranges::equal(tensor.shape, spec->shape));
    EXPECT_EQ(bytes.substr(tensor.offset_bytes, tensor.size_bytes),
              test::ModelBuilder::data_of(tensor.name, tensor.dtype, spec->shape));
  }
}

TEST(SafetensorsWriter, TheOrderOfTheSpecsDoesNotMatter) {
  const std::vector<TensorSpec> specs = {
      {"c", DType::BF16, {2}}, {"a", DType::BF16, {2}}, {"b", DType::F64, {1}}};
  const std::vector<TensorSpec> reversed(specs.rbegin(), specs.rend());
  EXPECT_EQ(plan(specs).header, plan(reversed).header);
}

// T17
TEST(SafetensorsWriter, MetadataAloneRoundTrips) {
  const SafetensorsLayout layout = plan({}, {{"k", "v\"\n\xE2\x82\xAC"}, {"", ""}});
  const SafetensorsHeader header = test::read_bytes(layout.header);
  EXPECT_TRUE(header.sound());
  const Metadata read(header.metadata.begin(), header.metadata.end());
  EXPECT_EQ(read, (Metadata{{"k", "v\"\n\xE2\x82\xAC"}, {"", ""}}));
  EXPECT_EQ(plan({}, read).header, layout.header);
}

TEST(SafetensorsWriter, DataStartsWhereItIsAskedTo) {
  const std::vector<TensorSpec> specs = {{"a", DType::U8, {5}}};
  for (const uint64_t alignment : {uint64_t{8}, uint64_t{64}, uint64_t{4096}}) {
    const SafetensorsLayout layout = plan(specs, {}, {.data_alignment = alignment});
    EXPECT_EQ(layout.entries[0].offset_bytes % alignment, 0u);
    EXPECT_TRUE(test::read_bytes(bytes_of(layout, specs)).sound());
  }
}

TEST(SafetensorsWriter, RefusesWhatItCannotSay) {
  const uint64_t big = uint64_t{1} << 63;
  struct {
    std::string name;
    std::vector<TensorSpec> specs;
    Metadata metadata;
    LayoutOptions options;
    ErrorCode code;
    std::string message;
  } const cases[] = {
      {"duplicate",
       {{"a", DType::U8, {1}}, {"b", DType::U8, {1}}, {"a", DType::F32, {1}}},
       {},
       {},
       ErrorCode::Unsupported,
       "two tensors have the name 'a'"},
      {"reserved name",
       {{"__metadata__", DType::U8, {1}}},
       {},
       {},
       ErrorCode::Unsupported,
       "reserved"},
      {"name not UTF-8",
       {{"a\xFF", DType::U8, {1}}},
       {},
       {},
       ErrorCode::Unsupported,
       R"(tensor name 'a\xff' is not valid UTF-8)"},
      {"metadata not UTF-8", {}, {{"k", "\xC0"}}, {}, ErrorCode::Unsupported, "not valid UTF-8"},
      {"block type", {{"a", DType::Q4_K, {256}}}, {}, {}, ErrorCode::Unsupported, "has type Q4_K"},
      {"overflow", {{"a", DType::F64, {big}}}, {}, {}, ErrorCode::Corrupt, "tensor 'a'"},
      {"sum overflow",
       {{"a", DType::U8, {big}}, {"b", DType::U8, {big}}},
       {},
       {},
       ErrorCode::Unsupported,
       "more than 2^64 bytes"},
      {"file overflow",
       {{"a", DType::U8, {~uint64_t{0}}}},
       {},
       {},
       ErrorCode::Unsupported,
       "more than 2^64 bytes"},
      {"sub-byte",
       {{"a", DType::F4, {3}}},
       {},
       {},
       ErrorCode::Corrupt,
       "tensor 'a': 3 elements of F4"},
      {"header limit",
       {{"a", DType::U8, {1}}},
       {},
       {.max_header_bytes = 55},
       ErrorCode::Unsupported,
       "the header takes 56 bytes; the limit is 55"},
      {"no alignment", {}, {}, {.data_alignment = 0}, ErrorCode::Usage, "alignment of 0"},
      {"odd alignment", {}, {}, {.data_alignment = 12}, ErrorCode::Usage, "alignment of 12"},
  };
  for (const auto& row : cases) {
    const auto layout = plan_safetensors(row.specs, row.metadata, row.options);
    ASSERT_FALSE(layout) << row.name;
    EXPECT_EQ(layout.error().code, row.code) << row.name;
    EXPECT_NE(layout.error().message.find(row.message), std::string::npos)
        << row.name << ": " << layout.error().message;
  }
}

}  // namespace
}  // namespace stkit
