#include "model/shard_index.h"

#include <gtest/gtest.h>

#include "base/json_reader.h"

namespace stkit {
namespace {

ShardIndex parse(std::string text) {
  const size_t size = text.size();
  text.append(kJsonPadding, '\0');
  return parse_shard_index(std::string_view(text).substr(0, size), "model.safetensors.index.json");
}

TEST(ShardIndex, ReadsEntriesInTheOrderOfTheText) {
  const ShardIndex index = parse(
      R"({"metadata":{"total_size":24,"mergekit_version":"0.1"},
          "weight_map":{"b":"2.safetensors","a":"1.safetensors","c":"2.safetensors"}})");
  EXPECT_TRUE(index.usable);
  EXPECT_TRUE(index.findings.empty());
  ASSERT_EQ(index.entries.size(), 3u);
  EXPECT_EQ(index.entries[0].tensor, "b");
  EXPECT_EQ(index.entries[2].tensor, "c");
  EXPECT_EQ(index.entries[0].file, index.entries[2].file);
  ASSERT_EQ(index.files.size(), 2u);
  EXPECT_EQ(index.files[0], "2.safetensors");
  EXPECT_EQ(index.files[1], "1.safetensors");
  EXPECT_EQ(index.total_size, 24.0);
}

TEST(ShardIndex, KeepsRepeatedTensors) {
  const ShardIndex index = parse(R"({"weight_map":{"a":"1","a":"2","\u0061":"3"}})");
  EXPECT_EQ(index.entries.size(), 3u);
  EXPECT_EQ(index.entries[2].tensor, "a");
}

TEST(ShardIndex, AcceptsATotalSizeWrittenAsAFloat) {
  EXPECT_EQ(parse(R"({"metadata":{"total_size":1.5e3},"weight_map":{"t":"f"}})").total_size,
            1500.0);
  EXPECT_TRUE(
      parse(R"({"metadata":{"total_size":1.5e3},"weight_map":{"t":"f"}})").findings.empty());
}

TEST(ShardIndex, MetadataMayBeAnything) {
  for (const char* text :
       {R"({"weight_map":{"t":"f"}})", R"({"metadata":null,"weight_map":{"t":"f"}})",
        R"({"metadata":[1],"weight_map":{"t":"f"}})",
        R"({"extra":{"a":[{}]},"weight_map":{"t":"f"}})"}) {
    EXPECT_TRUE(parse(text).usable) << text;
    EXPECT_TRUE(parse(text).findings.empty()) << text;
  }
}

struct Malformed {
  const char* name;
  const char* text;
  Check check;
  const char* message;
  bool usable;
};

TEST(ShardIndex, OfMillionsOfEntriesIsRefused) {  // R0
  std::string text = R"({"weight_map":{)";
  while (text.size() < 3'000'000) text += R"("":"",)";
  text.back() = '}';
  const ShardIndex index = parse(text + "}");
  EXPECT_FALSE(index.usable);
  EXPECT_TRUE(index.entries.empty());
  ASSERT_EQ(index.findings.size(), 1u);
  EXPECT_EQ(index.findings[0].check, Check::BadIndex);
  EXPECT_NE(index.findings[0].message.find("of memory; the limit is"), std::string::npos);
}

TEST(ShardIndex, SaysWhatIsWrong) {
  const Malformed cases[] = {
      {"empty file", "", Check::BadIndex, "", false},
      {"not JSON", "model", Check::BadIndex, "", false},
      {"cut off", R"({"weight_map":{"a":"1")", Check::BadIndex, "", false},
      {"array", "[]", Check::BadIndex, "the index is of type array", false},
      {"empty map", R"({"weight_map":{}})", Check::BadIndex, "weight_map names no tensors", false},
      {"no map", "{}", Check::BadIndex, "no weight_map", false},
      {"map of another type", R"({"weight_map":["a"]})", Check::BadIndex,
       "weight_map is of type array", false},
      {"two maps", R"({"weight_map":{"t":"f"},"weight_map":{}})", Check::BadIndex,
       "two weight_maps", true},
      {"a value is no text", R"({"weight_map":{"a":1,"b":null,"c":"1"}})", Check::BadIndex,
       "2 values that are not file names, first 'a'", true},
      {"total_size is text", R"({"metadata":{"total_size":"5GB"},"weight_map":{"t":"f"}})",
       Check::WrongTotalSize, "total_size is of type string", true},
  };
  for (const Malformed& c : cases) {
    const ShardIndex index = parse(c.text);
    ASSERT_FALSE(index.findings.empty()) << c.name;
    EXPECT_EQ(index.findings.front().check, c.check) << c.name;
    EXPECT_NE(index.findings.front().message.find(c.message), std::string::npos)
        << c.name << ": " << index.findings.front().message;
    EXPECT_EQ(index.usable, c.usable) << c.name;
  }
}

TEST(ShardIndex, EveryCutIsRefused) {
  const std::string whole = R"({"metadata":{"total_size":24},"weight_map":{"a":"1","b":"2"}})";
  for (size_t size = 0; size < whole.size(); ++size) {
    const ShardIndex index = parse(whole.substr(0, size));
    EXPECT_FALSE(index.usable) << size;
    EXPECT_FALSE(index.findings.empty()) << size;
  }
}

TEST(ShardIndex, RefusesAFileBeyondTheLimitUnread) {
  const std::string text(100, ' ');
  const auto file = open_memory_file("index", std::as_bytes(std::span(text)));
  const Result<ShardIndex> index = read_shard_index(*file, 99);
  ASSERT_TRUE(index);
  EXPECT_FALSE(index->usable);
  EXPECT_NE(index->findings.front().message.find("100 bytes, the limit is 99"), std::string::npos);
}

}  // namespace
}  // namespace stkit
