#include "stkit/model.h"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>

#include "model/config.h"
#include "support/model_builder.h"
#include "support/temp_dir.h"
#include "unit/model/findings.h"

namespace stkit::test {
namespace {

namespace fs = std::filesystem;

TEST(Model, ReadsElementsAtAnyPosition) {
  const TempDir dir;
  ModelBuilder()
      .tensor("x", DType::BF16, {3, 5})
      .tensor("packed", DType::F4, {4, 2})
      .shards(2)
      .write(dir.path());
  const Result<Model> model = Model::open(dir.path().string());
  ASSERT_TRUE(model) << model.error().message;

  const std::string whole = ModelBuilder::data_of("x", DType::BF16, {3, 5});
  const TensorInfo* x = model->find("x");
  ASSERT_NE(x, nullptr);
  for (uint64_t first = 0; first <= 15; ++first) {
    std::string part((15 - first) * 2, '\0');
    ASSERT_TRUE(model->read(*x, first, 15 - first, std::as_writable_bytes(std::span(part))));
    EXPECT_EQ(part, whole.substr(first * 2)) << first;
  }
  std::string half(2, '\0');
  ASSERT_TRUE(model->read(*model->find("packed"), 4, 4, std::as_writable_bytes(std::span(half))));
  EXPECT_EQ(half, ModelBuilder::data_of("packed", DType::F4, {4, 2}).substr(2));
}

TEST(Model, TensorsAreInTheOrderOfFilesAndOffsets) {
  const TempDir dir;
  ModelBuilder builder;
  for (const char* name : {"z", "y", "x", "w"}) builder.tensor(name, DType::F32, {4});
  builder.shards(2).config("{}").write(dir.path());
  const Result<Model> model = Model::open(dir.path().string());
  ASSERT_TRUE(model);
  std::string order;
  for (const TensorInfo& tensor : model->tensors()) {
    order += tensor.name;
    EXPECT_EQ(model->find(tensor.name), &tensor);
    EXPECT_EQ(model->files()[tensor.file].role, FileRole::Weights);
  }
  EXPECT_EQ(order, "zyxw");
  EXPECT_EQ(model->find("v"), nullptr);
  EXPECT_EQ(model->files()[model->tensors()[0].file].tensor_count, 2u);
  EXPECT_EQ(model->name(), dir.path().filename());
}

TEST(Model, MetadataOfShardsIsMergedAndConflictsAreListed) {
  const TempDir dir;
  const auto shard = [&](const char* file, const char* tensor, const char* step) {
    write_file(dir / file, ModelBuilder()
                               .tensor(tensor, DType::F32, {1})
                               .metadata("format", "pt")
                               .metadata("step", step)
                               .file_bytes());
  };
  shard("m-1-of-2.safetensors", "a", "1");
  shard("m-2-of-2.safetensors", "b", "2");
  const Result<Model> model = Model::open(dir.path().string());
  ASSERT_TRUE(model);
  EXPECT_EQ(model->metadata().at("format"), "pt");
  EXPECT_EQ(model->metadata().at("step"), "1");
  ASSERT_EQ(model->metadata_conflicts().size(), 1u);
  EXPECT_EQ(model->metadata_conflicts()[0], "step");
}

TEST(Model, CompanionsAreReadByName) {
  const TempDir dir;
  ModelBuilder().tensor("a", DType::F32, {1}).config("{}").write(dir.path());
  const Result<Model> model = Model::open(dir.path().string());
  ASSERT_TRUE(model);
  EXPECT_EQ(model->read_companion("config.json"), "{}");
  for (const char* absent : {"tokenizer.json", "model.safetensors", "../x", ""}) {
    const Result<std::string> text = model->read_companion(absent);
    ASSERT_FALSE(text) << absent;
    EXPECT_EQ(text.error().code, ErrorCode::NotFound) << absent;
  }
}

TEST(Model, ALoneFileAmongOthersHasNoCompanions) {
  const TempDir dir;
  write_file(dir / "config.json", R"({"model_type":"llama"})");
  for (const char* file : {"cat.safetensors", "dog.safetensors", "model.safetensors"})
    write_file(dir / file, ModelBuilder().tensor("a", DType::F32, {1}).file_bytes());
  const Result<Model> cat = Model::open((dir / "cat.safetensors").string());
  ASSERT_TRUE(cat);
  EXPECT_EQ(cat->files().size(), 1u);
  EXPECT_EQ(cat->name(), "cat.safetensors");
  EXPECT_EQ(config(*cat), nullptr);
  const Result<Model> canonical = Model::open((dir / "model.safetensors").string());
  ASSERT_TRUE(canonical);
  EXPECT_NE(config(*canonical), nullptr);
}

// T21
TEST(Model, ConfigThatIsNoObjectIsAFinding) {
  for (const char* text : {"", "{", "[1]", "null", "{\"a\":1}}"}) {
    const TempDir dir;
    ModelBuilder().tensor("a", DType::F32, {1}).write(dir.path());
    write_file(dir / "config.json", text);
    const Result<Model> model = Model::scan(dir.path().string());
    ASSERT_TRUE(model) << text;
    EXPECT_EQ(count(*model, Check::BadConfig), 1u) << text;
    EXPECT_EQ(config(*model), nullptr);
    EXPECT_EQ(model->tensors().size(), 1u);
  }
}

// T21
TEST(Model, MissingConfigIsNoError) {
  const TempDir dir;
  ModelBuilder().tensor("a", DType::F32, {1}).write(dir.path());
  const Result<Model> model = Model::open(dir.path().string());
  ASSERT_TRUE(model);
  EXPECT_EQ(config(*model), nullptr);
}

// T45
TEST(Model, NoticesAFileThatChanged) {
  const TempDir dir;
  ModelBuilder().tensor("a", DType::F32, {4}).write(dir.path());
  const Result<Model> model = Model::open(dir.path().string());
  ASSERT_TRUE(model);
  EXPECT_TRUE(model->check_unchanged());
  write_file(dir / "other", ModelBuilder().tensor("a", DType::F32, {8}).file_bytes());
  fs::rename(dir / "other", dir / "model.safetensors");
  const Result<void> changed = model->check_unchanged();
  ASSERT_FALSE(changed);
  EXPECT_EQ(changed.error().code, ErrorCode::InputChanged);
}

TEST(Model, OpensAnyFolderAndAFileOfASubfolder) {
  const TempDir dir;
  ModelBuilder()
      .tensor("a", DType::F32, {4})
      .tensor("b", DType::F32, {4})
      .shards(2)
      .config("{}")
      .write(dir / "unet");
  Result<std::unique_ptr<Folder>> folder = open_local_folder(dir.path());
  ASSERT_TRUE(folder);
  const std::shared_ptr<const Folder> shared = std::move(*folder);
  const Result<Model> sharded = Model::open(shared, "unet/model.safetensors.index.json");
  ASSERT_TRUE(sharded) << sharded.error().message;
  EXPECT_EQ(sharded->tensors().size(), 2u);
  EXPECT_EQ(sharded->read_companion("config.json"), "{}");
  const Result<Model> shard = Model::open(shared, "unet/model-00002-of-00002.safetensors");
  ASSERT_TRUE(shard) << shard.error().message;
  EXPECT_EQ(shard->tensors().size(), 1u);
}

TEST(Model, FailsWithTheFirstErrorAndTheNumberOfOthers) {
  const TempDir dir;
  write_file(dir / "m-1-of-2.safetensors", "short");
  write_file(dir / "m-2-of-2.safetensors", "short");
  const Result<Model> model = Model::open(dir.path().string());
  ASSERT_FALSE(model);
  EXPECT_EQ(fs::path(model.error().path).filename(), "m-1-of-2.safetensors");
  EXPECT_NE(model.error().message.find("(and 1 more error;"), std::string::npos)
      << model.error().message;
}

}  // namespace
}  // namespace stkit::test
