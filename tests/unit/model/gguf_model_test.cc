// GGUF files seen as models.
#include <gtest/gtest.h>

#include "model/profile.h"
#include "stkit/model.h"
#include "stkit/validate.h"
#include "support/gguf_builder.h"
#include "support/model_builder.h"
#include "support/temp_dir.h"

namespace stkit::test {
namespace {

GgufBuilder one_part() {
  GgufBuilder builder;
  builder.text("general.architecture", "llama").u32("llama.block_count", 1);
  builder.u32("llama.embedding_length", 32).strings("tokenizer.ggml.tokens", {"a", "b", "c"});
  builder.tensor("blk.0.attn_q.weight", 8, {32, 2}, std::string(68, 'q'));
  builder.tensor("output.weight", 0, {4}, std::string(16, 'o'));
  return builder;
}

GgufBuilder part(uint16_t number, uint16_t count, int32_t tensors, const std::string& tensor) {
  GgufBuilder builder;
  if (number == 0) builder.text("general.architecture", "llama");
  builder.entry("split.no", 2, le(number)).entry("split.count", 2, le(count));
  builder.entry("split.tensors.count", 5, le(tensors));
  builder.tensor(tensor, 0, {4}, tensor + std::string(16 - tensor.size(), '.'));
  return builder;
}

TEST(GgufModel, IsRecognisedByItsContent) {
  const TempDir dir;
  write_file(dir / "model.bin", one_part().bytes());
  const auto model = Model::open((dir / "model.bin").string());
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_EQ(model->format(), FileFormat::Gguf);
  ASSERT_EQ(model->tensors().size(), 2u);
  const TensorInfo* tensor = model->find("blk.0.attn_q.weight");
  ASSERT_NE(tensor, nullptr);
  EXPECT_EQ(tensor->dtype, DType::Q8_0);
  EXPECT_EQ(tensor->shape[0], 2u);
  std::string bytes(68, 0);
  ASSERT_TRUE(model->read(*tensor, 0, 64, std::as_writable_bytes(std::span(bytes))));
  EXPECT_EQ(bytes, std::string(68, 'q'));
  EXPECT_EQ(model->metadata().at("llama.block_count"), "1");
  EXPECT_EQ(model->metadata().at("tokenizer.ggml.tokens"), "[3 x string]");
  const Profile profile = make_profile(*model);
  EXPECT_EQ(profile.architecture, "llama");
  EXPECT_EQ(profile.quantization, "q8_0");
  EXPECT_EQ(profile.config.layers, 1u);
  EXPECT_EQ(profile.config.hidden_size, 32u);
  EXPECT_EQ(profile.config.vocab_size, 3u);
}

TEST(GgufModel, AFolderOfOneModel) {
  const TempDir dir;
  write_file(dir / "model.gguf", one_part().bytes());
  write_file(dir / "mmproj-model.gguf", one_part().bytes());
  write_file(dir / "README.md", "text");
  const auto one = Model::open(dir.path().string());
  ASSERT_TRUE(one) << one.error().message;
  EXPECT_EQ(one->files().size(), 1u);
  write_file(dir / "other.gguf", one_part().bytes());
  const auto two = Model::open(dir.path().string());
  ASSERT_FALSE(two);
  EXPECT_NE(two.error().message.find("'model.gguf', 'other.gguf'"), std::string::npos);
  ModelBuilder().tensor("a", DType::F32, {2}).write(dir.path());
  EXPECT_EQ(Model::open(dir.path().string())->format(), FileFormat::Safetensors);
}

TEST(GgufModel, PartsOfASplit) {
  const TempDir dir;
  write_file(dir / "m-00001-of-00002.gguf", part(0, 2, 2, "a").bytes());
  write_file(dir / "m-00002-of-00002.gguf", part(1, 2, 2, "b").bytes());
  for (const char* name : {"", "m-00001-of-00002.gguf", "m-00002-of-00002.gguf"}) {
    const auto model = Model::open((dir / name).string());
    ASSERT_TRUE(model) << model.error().message;
    EXPECT_EQ(model->files().size(), 2u);
    EXPECT_NE(model->find("b"), nullptr);
    EXPECT_FALSE(model->metadata().contains("split.no"));
  }
}

TEST(GgufModel, DamagedScalesAreFoundByDeepValidation) {
  const TempDir dir;
  std::string blocks(3 * 34, '\1');
  const auto validated = [&] {
    GgufBuilder builder;
    builder.text("general.architecture", "llama").tensor("a.weight", 8, {32, 3}, blocks);
    write_file(dir / "m.gguf", builder.bytes());
    return validate((dir / "m.gguf").string(), {.deep = true}, {});
  };
  const auto sound = validated();
  ASSERT_TRUE(sound);
  EXPECT_EQ(sound->count(Severity::Error), 0u);
  blocks[34] = '\0', blocks[35] = '\x7C';  // the second block's scale: infinity
  const auto damaged = validated();
  ASSERT_TRUE(damaged);
  ASSERT_EQ(damaged->findings.size(), 1u);
  EXPECT_EQ(damaged->findings[0].check, Check::InfWeights);
  EXPECT_EQ(damaged->findings[0].message, "32 of the 96 values of 'a.weight' are infinite");
}

// T19 for GGUF: a part is missing, counts wrongly, or is another one.
TEST(GgufModel, BrokenSplits) {
  const struct {
    const char* name;
    GgufBuilder first, second;
    const char* message;
  } cases[] = {
      {"count", part(0, 3, 2, "a"), part(1, 3, 2, "b"), "the model has 3 parts, 2 of them"},
      {"tensors", part(0, 2, 3, "a"), part(1, 2, 3, "b"), "split.tensors.count is 3"},
      {"number", part(0, 2, 2, "a"), part(0, 2, 2, "b"), "split.no is 0, but by its name"},
      {"twice", part(0, 2, 2, "a"), part(1, 2, 2, "a"), "tensor 'a' is in"},
  };
  for (const auto& row : cases) {
    const TempDir dir;
    write_file(dir / "m-00001-of-00002.gguf", row.first.bytes());
    write_file(dir / "m-00002-of-00002.gguf", row.second.bytes());
    const auto model = Model::open(dir.path().string());
    ASSERT_FALSE(model) << row.name;
    EXPECT_EQ(info(model.error().code).exit_code, 3);
    EXPECT_NE(model.error().message.find(row.message), std::string::npos) << model.error().message;
  }
  const TempDir dir;
  write_file(dir / "m-00001-of-00002.gguf", part(0, 2, 2, "a").bytes());
  EXPECT_FALSE(Model::open(dir.path().string()));
}

}  // namespace
}  // namespace stkit::test
