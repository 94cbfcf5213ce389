#include "model/open_reference.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "stkit/model.h"
#include "support/model_builder.h"
#include "support/temp_dir.h"

namespace stkit::test {
namespace {

namespace fs = std::filesystem;

void write_model(const fs::path& folder) {
  ModelBuilder().tensor("a", DType::F32, {2}).config("{}").write(folder);
}

TEST(OpenReference, TakesFilesIndexesConfigsAndFolders) {
  const TempDir dir;
  ModelBuilder()
      .tensor("a", DType::F32, {2})
      .tensor("b", DType::F32, {2})
      .shards(2)
      .config("{}")
      .write(dir / "m");
  for (const char* name : {"m", "m/", "m/config.json", "m/model.safetensors.index.json"}) {
    const Result<Model> model = Model::open((dir / name).string());
    ASSERT_TRUE(model) << name << ": " << model.error().message;
    EXPECT_EQ(model->tensors().size(), 2u) << name;
    EXPECT_EQ(model->name(), "m") << name;
    EXPECT_EQ(model->reference(), (dir / name).string());
  }
  const Result<Model> shard = Model::open((dir / "m/model-00001-of-00002.safetensors").string());
  ASSERT_TRUE(shard);
  EXPECT_EQ(shard->tensors().size(), 1u);
}

TEST(OpenReference, GoesByContentNotByName) {
  const TempDir dir;
  write_model(dir / "m");
  fs::rename(dir / "m" / "model.safetensors", dir / "m" / "0123abcd");
  EXPECT_TRUE(Model::open((dir / "m" / "0123abcd").string()));

  ModelBuilder()
      .tensor("a", DType::F32, {2})
      .tensor("b", DType::F32, {2})
      .shards(2)
      .write(dir / "n");
  fs::rename(dir / "n" / "model.safetensors.index.json", dir / "n" / "shards.txt");
  const Result<Model> index = Model::open((dir / "n" / "shards.txt").string());
  ASSERT_TRUE(index) << index.error().message;
  EXPECT_EQ(index->tensors().size(), 2u);
}

struct Foreign {
  const char* file;
  std::string content;
  ErrorCode code;
  const char* message;
};

TEST(OpenReference, SaysWhatAFileIsInstead) {
  const Foreign cases[] = {
      {"m.gguf", "GGUF" + std::string(60, '\1'), ErrorCode::Corrupt, "GGUF version"},
      {"m.bin", "PK\3\4" + std::string(60, '\0'), ErrorCode::Corrupt, "zip"},
      {"empty", "", ErrorCode::Unsupported, "an empty file"},
      {"noise", std::string(64, '\xAA'), ErrorCode::Unsupported, "content of no known format"},
      {"data.json", R"({"a":1})", ErrorCode::Unsupported, "neither an index nor a config.json"},
      {"m.safetensors", "GGUF" + std::string(60, '\1'), ErrorCode::Corrupt, "GGUF"},
      {"pytorch_model.bin.index.json", R"({"weight_map":{"a":"x.bin"}})", ErrorCode::Corrupt,
       "'x.bin', which is missing"},
      {"cut.safetensors.index.json", R"({"weight_map":{)", ErrorCode::Corrupt, ""},
  };
  for (const Foreign& c : cases) {
    const TempDir dir;
    write_file(dir / c.file, c.content);
    const Result<Model> model = Model::open((dir / c.file).string());
    ASSERT_FALSE(model) << c.file;
    EXPECT_EQ(model.error().code, c.code) << c.file << ": " << model.error().message;
    EXPECT_NE(model.error().message.find(c.message), std::string::npos)
        << c.file << ": " << model.error().message;
  }
}

TEST(OpenReference, MissingPathHintsAtTheNearestName) {
  const TempDir dir;
  write_model(dir / "Qwen3-8B");
  const Result<Model> typo = Model::open((dir / "Qwen3-8").string());
  ASSERT_FALSE(typo);
  EXPECT_EQ(typo.error().code, ErrorCode::NotFound);
  EXPECT_EQ(typo.error().hint, "did you mean '" + (dir / "Qwen3-8B").string() + "'?");

  const Result<Model> hub = Model::open("some-org-that-is-no-folder/some-model");
  ASSERT_FALSE(hub);
  EXPECT_EQ(hub.error().code, ErrorCode::NotFound);
  EXPECT_NE(hub.error().hint.find("Hub"), std::string::npos) << hub.error().hint;
}

struct Refused {
  std::string reference;
  ErrorCode code;
};

TEST(OpenReference, RefusesWhatIsNoPath) {
  for (const Refused& c :
       {Refused{"", ErrorCode::Usage}, Refused{std::string("a\0b", 3), ErrorCode::Usage},
        Refused{"hf://org/name", ErrorCode::Unsupported},
        Refused{"https://host/x.safetensors", ErrorCode::Unsupported},
        Refused{"/dev/null", ErrorCode::Unsupported}}) {
    const Result<Model> model = Model::open(c.reference);
    ASSERT_FALSE(model) << c.reference;
    EXPECT_EQ(model.error().code, c.code) << c.reference;
  }
}

// T18
TEST(OpenReference, DoesNotWaitForAFifo) {
  const TempDir dir;
  ASSERT_EQ(mkfifo((dir / "model.safetensors").c_str(), 0600), 0);
  const Result<Model> file = Model::open((dir / "model.safetensors").string());
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().code, ErrorCode::Unsupported);
  const Result<Model> folder = Model::open(dir.path().string());
  ASSERT_FALSE(folder);
  EXPECT_NE(folder.error().message.find("is a FIFO"), std::string::npos) << folder.error().message;
}

TEST(OpenReference, FollowsALinkOfTheUsersOwn) {
  const TempDir dir;
  write_model(dir / "store");
  fs::create_directory(dir / "links");
  fs::create_symlink(dir / "store" / "model.safetensors", dir / "links" / "current.safetensors");
  fs::create_symlink("nowhere", dir / "links" / "broken");
  const Result<Model> model = Model::open((dir / "links" / "current.safetensors").string());
  ASSERT_TRUE(model) << model.error().message;
  const Result<Model> broken = Model::open((dir / "links" / "broken").string());
  ASSERT_FALSE(broken);
  EXPECT_EQ(broken.error().code, ErrorCode::NotFound);
}

// The Hub's cache: models--org--name/{blobs,refs,snapshots}.
TEST(OpenReference, FindsTheSnapshotOfARepository) {
  const TempDir dir;
  const std::string commit(40, 'a'), older(40, 'b');
  const fs::path repository = dir / "models--org--Qwen3-8B";
  write_file(repository / "blobs" / "e1",
             ModelBuilder().tensor("new", DType::F32, {2}).file_bytes());
  write_file(repository / "blobs" / "e2",
             ModelBuilder().tensor("old", DType::F32, {2}).file_bytes());
  for (const auto& [revision, blob] : {std::pair(commit, "e1"), std::pair(older, "e2")}) {
    fs::create_directories(repository / "snapshots" / revision);
    fs::create_symlink(fs::path("../../blobs") / blob,
                       repository / "snapshots" / revision / "model.safetensors");
  }
  const Result<Model> undecided = Model::open(repository.string());
  ASSERT_FALSE(undecided);
  EXPECT_EQ(undecided.error().code, ErrorCode::NotFound);

  write_file(repository / "refs" / "main", commit);
  for (const fs::path& path : {repository, repository / "snapshots" / commit,
                               repository / "snapshots" / commit / "model.safetensors"}) {
    const Result<Model> model = Model::open(path.string());
    ASSERT_TRUE(model) << path << ": " << model.error().message;
    EXPECT_NE(model->find("new"), nullptr);
  }
  EXPECT_EQ(Model::open(repository.string())->name(), "Qwen3-8B");
  EXPECT_EQ(folder_display_name(repository / "snapshots" / commit / ""), "Qwen3-8B");
}

}  // namespace
}  // namespace stkit::test
