// Many files in place of one.
#include <sys/resource.h>

#include "merge_support.h"

namespace stkit {
namespace {

using namespace test;

MergeRun shards_of(uint64_t bytes) {
  return {.options = {.max_shard_bytes = bytes, .sync = false}};
}

std::map<std::string, std::vector<std::string>> tensors_by_file(const std::filesystem::path& path) {
  const Result<Model> model = Model::open(path.string());
  std::map<std::string, std::vector<std::string>> names;
  for (const TensorInfo& tensor : model.value().tensors())
    names[model->files()[tensor.file].name].emplace_back(tensor.name);
  return names;
}

// The Hub's rule: in the model's order; up to the limit, not one byte more; never back to an
// earlier shard; what is larger than the limit is alone.
TEST(MergeShards, AreFilledAsTheHubsToolsDo) {
  TempDir dir;
  ModelBuilder()
      .tensor("c", DType::U8, {6})
      .tensor("b", DType::U8, {4})
      .tensor("large", DType::U8, {25})
      .tensor("a", DType::U8, {3})
      .tensor("z", DType::U8, {8})
      .tensor("empty", DType::U8, {0})
      .tensor("y", DType::U8, {2})
      .write(dir / "in");
  must_merge(dir / "in", dir / "out", shards_of(10));
  const auto names = tensors_by_file(dir / "out");
  using Names = std::vector<std::string>;
  EXPECT_EQ(names.at("model-00001-of-00004.safetensors"), (Names{"b", "c"}));
  EXPECT_EQ(names.at("model-00002-of-00004.safetensors"), (Names{"large"}));
  EXPECT_EQ(names.at("model-00003-of-00004.safetensors"), (Names{"a"}));
  EXPECT_EQ(names.at("model-00004-of-00004.safetensors"), (Names{"empty", "y", "z"}));
}

TEST(MergeShards, Index) {
  TempDir dir;
  ModelBuilder()
      .tensor("b\n", DType::U8, {2})
      .tensor("a", DType::F32, {2})
      .metadata("format", "pt")
      .config("{}")
      .write(dir / "in");
  must_merge(dir / "in", dir / "out", shards_of(8));
  EXPECT_EQ(
      names_below(dir / "out"),
      (std::set<std::string>{"config.json", "model-00001-of-00002.safetensors",
                             "model-00002-of-00002.safetensors", "model.safetensors.index.json"}));
  EXPECT_EQ(read_file(dir / "out/model.safetensors.index.json"), R"({
  "metadata": {
    "total_size": 10
  },
  "weight_map": {
    "a": "model-00002-of-00002.safetensors",
    "b\n": "model-00001-of-00002.safetensors"
  }
}
)");
}

TEST(MergeShards, OneShardNeedsNoIndex) {
  TempDir dir;
  ModelBuilder().tensor("a", DType::U8, {8}).metadata("format", "pt").write(dir / "in");
  must_merge(dir / "in", dir / "out", shards_of(8));
  EXPECT_EQ(names_below(dir / "out"), std::set<std::string>{"model.safetensors"});
  EXPECT_EQ(read_file(dir / "out/model.safetensors"), read_file(dir / "in/model.safetensors"));
}

TEST(MergeShards, NeedAFolder) {
  TempDir dir;
  ModelBuilder().tensor("a", DType::U8, {8}).write(dir / "in");
  const auto refused = try_merge(dir / "in", dir / "out.safetensors", shards_of(4));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::Usage);
}

// T20
TEST(MergeShards, FewDescriptorsAreEnough) {
  TempDir dir;
  ModelBuilder builder;
  for (int i = 0; i < 300; ++i) builder.tensor(std::to_string(i), DType::U8, {1});
  builder.metadata("format", "pt").write(dir / "in");
  struct rlimit before;
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  struct rlimit few = before;
  few.rlim_cur = 256;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
  const auto report = try_merge(dir / "in", dir / "out", shards_of(1));
  ::setrlimit(RLIMIT_NOFILE, &before);
  ASSERT_TRUE(report) << report.error().message;
  must_merge(dir / "in", dir / "one");
  must_merge(dir / "out", dir / "again");
  EXPECT_TRUE(files_below(dir / "again") == files_below(dir / "one"));
}

}  // namespace
}  // namespace stkit
