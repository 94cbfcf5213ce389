// Bytes of tensors, whatever files they were in and go to.
#include "merge_support.h"

namespace stkit {
namespace {

using namespace test;

ModelBuilder small_model() {
  return ModelBuilder()
      .tensor("model.embed.weight", DType::BF16, {40, 8})
      .tensor("model.layers.0.weight", DType::F32, {8, 8})
      .tensor("model.layers.1.weight", DType::F16, {8, 9})
      .tensor("lm_head.weight", DType::BF16, {40, 8})
      .metadata("format", "pt");
}

TEST(MergeCopy, ShardsBecomeTheFileThatWouldHaveBeenWrittenAtOnce) {
  TempDir dir;
  small_model().shards(3).write(dir / "in");
  write_file(dir / "in/tokenizer.json", "{}");
  const MergeReport report = must_merge(dir / "in", dir / "out");
  EXPECT_EQ(names_below(dir / "out"),
            (std::set<std::string>{"model.safetensors", "tokenizer.json"}));
  EXPECT_EQ(report.output, (dir / "out").string());
  must_merge(dir / "in", dir / "one.safetensors");
  EXPECT_EQ(read_file(dir / "one.safetensors"), read_file(dir / "out/model.safetensors"));
}

}  // namespace
}  // namespace stkit
