// What is already there is never lost, and inputs are never touched.
#include <fmt/format.h>
#include <sys/stat.h>

#include "merge_support.h"

namespace stkit {
namespace {

using namespace test;
namespace fs = std::filesystem;

class MergeTarget : public testing::Test {
 protected:
  MergeTarget() {
    ModelBuilder()
        .tensor("a", DType::U8, {4})
        .tensor("b", DType::U8, {4})
        .shards(2)
        .config("{}")
        .write(in_);
    write_file(dir_ / "single/model.safetensors",
               ModelBuilder().tensor("a", DType::U8, {4}).file_bytes());
  }

  void expect_refused(const fs::path& from, const fs::path& to, ErrorCode code,
                      std::string_view part, MergeOptions options = {}) {
    SCOPED_TRACE(to);
    const auto before = files_below(dir_.path());
    const auto plan = MergePlan::make(from.string(), to.string(), options);
    ASSERT_FALSE(plan);
    EXPECT_EQ(plan.error().code, code) << plan.error().message;
    EXPECT_NE(plan.error().message.find(part), std::string::npos) << plan.error().message;
    EXPECT_FALSE(plan.error().hint.empty());
    EXPECT_TRUE(files_below(dir_.path()) == before);
  }

  TempDir dir_;
  const fs::path in_ = dir_ / "in";
  const MergeOptions force_{.sync = false, .overwrite = true};
};

// T46
TEST_F(MergeTarget, IsNeverTheInput) {
  for (const MergeOptions& options : {MergeOptions{}, force_}) {
    const auto conflict = [&](const fs::path& from, const fs::path& to) {
      expect_refused(from, to, ErrorCode::OutputConflict, "", options);
    };
    conflict(in_, in_);
    conflict(in_, in_ / "");
    conflict(in_, in_ / "new");
    conflict(in_, in_ / "new.safetensors");
    conflict(in_, in_ / "model-00001-of-00002.safetensors");
    conflict(in_ / "model.safetensors.index.json", in_);
    conflict(dir_ / "single/model.safetensors", dir_ / "single");
    conflict(dir_ / "single/model.safetensors", dir_ / "single/model.safetensors");
  }
  fs::create_hard_link(dir_ / "single/model.safetensors", dir_ / "hard.safetensors");
  fs::create_symlink(dir_ / "single/model.safetensors", dir_ / "soft.safetensors");
  fs::create_directory(dir_ / "out");
  fs::create_hard_link(dir_ / "single/model.safetensors", dir_ / "out/model.safetensors");
  fs::create_directory_symlink(in_, dir_ / "link");
  for (const std::string name : {"hard.safetensors", "soft.safetensors", "out"})
    expect_refused(dir_ / "single", dir_ / name, ErrorCode::OutputConflict, "", force_);
  expect_refused(in_, dir_ / "link", ErrorCode::OutputConflict, "", force_);
}

TEST_F(MergeTarget, ALoneFileMayHaveItsResultBesideIt) {
  must_merge(dir_ / "single/model.safetensors", dir_ / "single/cast.safetensors");
  EXPECT_TRUE(fs::exists(dir_ / "single/cast.safetensors"));
}

// T46
TEST_F(MergeTarget, IsAFileOrAFolder) {
  ASSERT_EQ(::mkfifo((dir_ / "fifo.safetensors").c_str(), 0600), 0);
  write_file(dir_ / "notes.txt", "mine");
  fs::create_directory(dir_ / "out");
  fs::create_directory(dir_ / "out/config.json");
  expect_refused(in_, dir_ / "fifo.safetensors", ErrorCode::WriteFailed, "FIFO", force_);
  expect_refused(in_, "/dev/null", ErrorCode::WriteFailed, "device", force_);
  expect_refused(in_, "/dev/full", ErrorCode::WriteFailed, "device", force_);
  expect_refused(in_, dir_ / "notes.txt", ErrorCode::OutputExists, ".safetensors", force_);
  expect_refused(in_, dir_ / "out", ErrorCode::WriteFailed, "a folder", force_);
  expect_refused(in_, dir_ / "notes.txt/out", ErrorCode::WriteFailed, "");
}

TEST_F(MergeTarget, ExistingFilesNeedForce) {
  write_file(dir_ / "out/config.json", "mine");
  expect_refused(in_, dir_ / "out", ErrorCode::OutputExists, "exists already");
  write_file(dir_ / "x.safetensors", "mine");
  expect_refused(in_, dir_ / "x.safetensors", ErrorCode::OutputExists, "exists already");
  must_merge(in_, dir_ / "out", {.options = force_});
  EXPECT_EQ(read_file(dir_ / "out/config.json"), "{}");
  write_file(dir_ / "other/readme.txt", "not in the way");
  must_merge(in_, dir_ / "other");
  EXPECT_EQ(read_file(dir_ / "other/readme.txt"), "not in the way");
}

// T41: killed between two files, its output stays, and the same merge goes on.
TEST_F(MergeTarget, WhatAKilledMergeLeftIsNotInTheWay) {
  const MergeOptions shards{.max_shard_bytes = 4, .sync = true};
  must_merge(in_, dir_ / "whole", {.options = shards});
  const auto expected = files_below(dir_ / "whole");
  for (const std::string last :
       {"config.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"}) {
    fs::remove_all(dir_ / "out");
    for (const auto& [name, content] : expected) {
      write_file(dir_ / "out" / name, content);
      if (name == last) break;
    }
    struct stat before, after;
    ASSERT_EQ(::stat((dir_ / "out" / last).c_str(), &before), 0);
    must_merge(in_, dir_ / "out", {.options = shards});
    EXPECT_TRUE(files_below(dir_ / "out") == expected) << last;
    ASSERT_EQ(::stat((dir_ / "out" / last).c_str(), &after), 0);
    EXPECT_EQ(before.st_ino, after.st_ino) << last << " is what it was";
  }
  expect_refused(in_, dir_ / "out", ErrorCode::OutputExists, "exists already", shards);
}

// Weights that look alike are compared only once the new ones are there.
TEST_F(MergeTarget, WhatOnlyLooksLeftOverIsKept) {
  const MergeOptions shards{.max_shard_bytes = 4, .sync = false};
  must_merge(in_, dir_ / "whole", {.options = shards});
  const std::string name = "model-00001-of-00002.safetensors";
  const std::string bytes = read_file(dir_ / "whole" / name);

  const auto with = [&](const std::string& content) {
    fs::remove_all(dir_ / "out");
    write_file(dir_ / "out" / name, content);
  };
  with(bytes + "!");
  expect_refused(in_, dir_ / "out", ErrorCode::OutputExists, "exists already", shards);
  std::string other_header = bytes;
  other_header[9] ^= 1;
  with(other_header);
  expect_refused(in_, dir_ / "out", ErrorCode::OutputExists, "exists already", shards);

  std::string other_weights = bytes;
  other_weights.back() ^= 1;
  with(other_weights);
  const auto refused = try_merge(in_, dir_ / "out", {.options = shards});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::OutputExists);
  EXPECT_EQ(refused.error().message, "exists already, and holds other bytes");
  EXPECT_EQ(files_below(dir_ / "out"), (std::map<std::string, std::string>{{name, other_weights}}));
}

// T19: loaders would follow the index to shards of another model.
TEST_F(MergeTarget, NoStaleIndexRemains) {
  ModelBuilder()
      .tensor("old", DType::U8, {4})
      .tensor("older", DType::U8, {4})
      .shards(2)
      .write(dir_ / "out");
  expect_refused(in_, dir_ / "out", ErrorCode::OutputExists, "the folder holds other weights");
  const auto plan = MergePlan::make(in_.string(), (dir_ / "out").string(), force_);
  ASSERT_TRUE(plan);
  ASSERT_EQ(plan->warnings().size(), 2u);
  EXPECT_NE(plan->warnings()[0].find("'model-00001-of-00002.safetensors', "
                                     "'model-00002-of-00002.safetensors'"),
            std::string::npos)
      << plan->warnings()[0];
  EXPECT_EQ(plan->warnings()[1],
            "'model.safetensors.index.json' would name other weights and is removed");
  ASSERT_TRUE(merge(*plan, {}));
  EXPECT_EQ(names_below(dir_ / "out"),
            (std::set<std::string>{"config.json", "model-00001-of-00002.safetensors",
                                   "model-00002-of-00002.safetensors", "model.safetensors"}));
}

TEST_F(MergeTarget, AnIndexBesideTheFileIsStaleToo) {
  write_file(dir_ / "out/model.safetensors.index.json", "{}");
  write_file(dir_ / "out/other.safetensors", "of somebody else");
  expect_refused(in_, dir_ / "out/model.safetensors", ErrorCode::OutputExists, "index.json");
  must_merge(in_, dir_ / "out/model.safetensors", {.options = force_});
  EXPECT_EQ(names_below(dir_ / "out"),
            (std::set<std::string>{"model.safetensors", "other.safetensors"}));
  must_merge(in_, dir_ / "out/free.safetensors");
}

// The index of the new model replaces the old one and is no stale one.
TEST_F(MergeTarget, ShardsReplaceShards) {
  const MergeOptions shards{.max_shard_bytes = 4, .sync = false, .overwrite = true};
  must_merge(in_, dir_ / "out", {.options = shards});
  const auto first = files_below(dir_ / "out");
  must_merge(in_, dir_ / "out", {.options = shards});
  EXPECT_TRUE(files_below(dir_ / "out") == first);
  EXPECT_EQ(first.size(), 4u);
}

// T44
TEST_F(MergeTarget, OneAtATime) {
  const MergeOptions options{.sync = false};
  const auto plan = MergePlan::make(in_.string(), (dir_ / "out").string(), options);
  ASSERT_TRUE(plan);
  fs::create_directory(dir_ / "out");
  const auto other = create_output(dir_ / "out/model.safetensors", 4, {});
  ASSERT_TRUE(other);
  const auto refused = merge(*plan, {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::OutputLocked);
  EXPECT_NE(refused.error().message.find(fmt::format("{}", ::getpid())), std::string::npos)
      << refused.error().message;
}

// T45
TEST_F(MergeTarget, AnInputThatChangesIsNoticed) {
  const auto plan = MergePlan::make(in_.string(), (dir_ / "out").string(), {.sync = false});
  ASSERT_TRUE(plan);
  const fs::path shard = in_ / "model-00002-of-00002.safetensors";
  const std::string bytes = read_file(shard);
  fs::remove(shard);
  write_file(shard, bytes);
  const auto refused = merge(*plan, {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::InputChanged) << refused.error().message;
  EXPECT_FALSE(fs::exists(dir_ / "out"));

  const auto again = MergePlan::make(in_.string(), (dir_ / "out").string(), {.sync = false});
  ASSERT_TRUE(again);
  fs::resize_file(shard, bytes.size() - 1);
  const auto truncated = merge(*again, {});
  ASSERT_FALSE(truncated);
  EXPECT_EQ(truncated.error().code, ErrorCode::InputChanged) << truncated.error().message;
  EXPECT_FALSE(fs::exists(dir_ / "out"));
}

}  // namespace
}  // namespace stkit
