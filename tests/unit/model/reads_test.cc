// What is read to open a model: headers, and no weight byte.
#include <gtest/gtest.h>

#include <map>
#include <mutex>

#include "stkit/inspect.h"
#include "stkit/model.h"
#include "support/model_builder.h"
#include "support/temp_dir.h"

namespace stkit::test {
namespace {

// The furthest byte that was read of each file.
class ReadLog {
 public:
  void note(const std::string& file, uint64_t end) {
    const std::lock_guard lock(mutex_);
    uint64_t& furthest = end_[file];
    furthest = std::max(furthest, end);
  }
  std::map<std::string, uint64_t> take() { return std::move(end_); }

 private:
  std::mutex mutex_;
  std::map<std::string, uint64_t> end_;
};

class WatchedFile final : public RandomAccessFile {
 public:
  WatchedFile(std::unique_ptr<RandomAccessFile> file, std::string name, ReadLog& log)
      : file_(std::move(file)), name_(std::move(name)), log_(log) {}

  const std::string& label() const override { return file_->label(); }
  uint64_t size_bytes() const override { return file_->size_bytes(); }
  Result<void> read_at(uint64_t offset_bytes, std::span<std::byte> out) const override {
    log_.note(name_, offset_bytes + out.size());
    return file_->read_at(offset_bytes, out);
  }
  std::span<const std::byte> mapped() const override {
    log_.note(name_, size_bytes());  // what is done with it is not seen
    return file_->mapped();
  }

 private:
  std::unique_ptr<RandomAccessFile> file_;
  std::string name_;
  ReadLog& log_;
};

class WatchedFolder final : public Folder {
 public:
  WatchedFolder(std::unique_ptr<Folder> folder, ReadLog& log)
      : folder_(std::move(folder)), log_(log) {}

  const std::string& label() const override { return folder_->label(); }
  Result<std::vector<FolderEntry>> list(std::string_view subfolder) const override {
    return folder_->list(subfolder);
  }
  Result<std::unique_ptr<RandomAccessFile>> open(std::string_view name) const override {
    STKIT_ASSIGN(std::unique_ptr<RandomAccessFile> file, folder_->open(name));
    return std::make_unique<WatchedFile>(std::move(file), std::string(name), log_);
  }
  std::string path_of(std::string_view name) const override { return folder_->path_of(name); }

 private:
  std::unique_ptr<Folder> folder_;
  ReadLog& log_;
};

TEST(Reads, OfAnOpenedModelEndWithItsHeaders) {
  const TempDir dir;
  ModelBuilder()
      .tensor("model.embed_tokens.weight", DType::BF16, {640, 64})
      .tensor("lm_head.weight", DType::BF16, {640, 64})
      .shards(2)
      .config(R"({"architectures":["LlamaForCausalLM"],"model_type":"llama"})")
      .write(dir.path());
  Result<std::unique_ptr<Folder>> folder = open_local_folder(dir.path());
  ASSERT_TRUE(folder);
  ReadLog log;
  const auto watched = std::make_shared<WatchedFolder>(*std::move(folder), log);
  const Result<Model> model = Model::open(watched, {});
  ASSERT_TRUE(model) << model.error().message;
  ASSERT_TRUE(inspect(*model));
  const std::map<std::string, uint64_t> furthest = log.take();
  size_t shards = 0;
  for (const ModelFile& file : model->files()) {
    if (file.role != FileRole::Weights) continue;
    ++shards;
    ASSERT_TRUE(furthest.contains(file.name)) << file.name;
    EXPECT_EQ(furthest.at(file.name), file.header_bytes) << file.name;
    EXPECT_LT(file.header_bytes, file.size_bytes);
  }
  EXPECT_EQ(shards, 2u);
}

// Proves that the watching works: a tensor's bytes are seen to be read.
TEST(Reads, OfATensorAreSeen) {
  const TempDir dir;
  ModelBuilder().tensor("a", DType::U8, {4096}).write(dir.path());
  Result<std::unique_ptr<Folder>> folder = open_local_folder(dir.path());
  ASSERT_TRUE(folder);
  ReadLog log;
  const auto watched = std::make_shared<WatchedFolder>(*std::move(folder), log);
  const Result<Model> model = Model::open(watched, {});
  ASSERT_TRUE(model) << model.error().message;
  std::byte last{};
  ASSERT_TRUE(model->read(model->tensors()[0], 4095, 1, std::span(&last, 1)));
  EXPECT_EQ(log.take().at("model.safetensors"), model->files()[0].size_bytes);
}

}  // namespace
}  // namespace stkit::test
