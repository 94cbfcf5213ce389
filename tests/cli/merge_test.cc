// merge as a program: what a golden case cannot say, since it needs limits, locks or many runs.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "base/json_reader.h"
#include "run_program.h"
#include "support/model_builder.h"
#include "support/temp_dir.h"

namespace stkit::test {
namespace {

namespace fs = std::filesystem;

class MergeProgram : public testing::Test {
 protected:
  MergeProgram() {
    fs::create_directories(folder_ / "in");
    ModelBuilder model;
    for (const char* name : {"a", "b", "c", "d"}) model.tensor(name, DType::BF16, {256, 256});
    model.metadata("format", "pt").shards(3).config(R"({"model_type":"llama"})");
    model.write(folder_ / "in");
  }
  RunResult stkit(std::vector<std::string> args) const {
    return run({.args = std::move(args), .folder = folder_.path()});
  }
  std::string output(const std::string& folder) const {
    return read_file(folder_ / folder / "model.safetensors");
  }
  std::vector<std::string> names_in(const std::string& folder) const {
    std::vector<std::string> names;
    for (const fs::directory_entry& entry : fs::directory_iterator(folder_ / folder))
      names.push_back(entry.path().filename().string());
    std::ranges::sort(names);
    return names;
  }

  TempDir folder_;
};

TEST_F(MergeProgram, TheSameBytesForAnyThreadsMemoryAndIo) {  // T63
  ASSERT_EQ(stkit({"merge", "in", "-o", "first"}).exit_code, 0);
  const std::vector<std::string> kWays[] = {{"-j1"},
                                            {"-j7"},
                                            {"--max-memory", "1MiB"},
                                            {"--io", "buffered"},
                                            {"--io", "direct"},
                                            {"--no-sync"},
                                            {"--verify"}};
  int number = 0;
  for (const std::vector<std::string>& way : kWays) {
    SCOPED_TRACE(way.front());
    const std::string out = "out" + std::to_string(++number);
    std::vector<std::string> args = {"merge", "in", "-o", out};
    args.insert(args.end(), way.begin(), way.end());
    const RunResult result = stkit(args);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_TRUE(output(out) == output("first"));
  }
}

TEST_F(MergeProgram, ASecondOneIsToldWhoHoldsTheTarget) {  // T44
  fs::create_directories(folder_ / "out");
  const fs::path lock = folder_ / "out" / ".model.safetensors.stkit.lock";
  const int held = open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  ASSERT_GE(held, 0);
  ASSERT_EQ(flock(held, LOCK_EX | LOCK_NB), 0);
  ASSERT_EQ(write(held, "process 4711 on elsewhere\n", 26), 26);

  const RunResult result = stkit({"merge", "in", "-o", "out", "--json"});
  EXPECT_EQ(result.exit_code, 7);
  const Result<JsonValue> document = JsonValue::parse(result.out);
  ASSERT_TRUE(document) << result.out;
  const JsonValue* error = document->find("error");
  ASSERT_NE(error, nullptr);
  EXPECT_EQ(error->find("code")->as_string(), "output_locked");
  EXPECT_NE(result.err.find("process 4711 on elsewhere is writing to it"), std::string::npos)
      << result.err;
  EXPECT_EQ(names_in("out"), std::vector<std::string>{lock.filename().string()});
  close(held);
  EXPECT_EQ(stkit({"merge", "in", "-o", "out"}).exit_code, 0);
}

TEST_F(MergeProgram, AFileSizeLimitIsAnErrorAndLeavesNothing) {  // T43: SIGXFSZ
  const RunResult result = run(
      {.args = {"merge", "in", "-o", "out"}, .folder = folder_.path(), .file_size_limit = 100'000});
  EXPECT_EQ(result.exit_code, 7) << result.err;
  EXPECT_FALSE(fs::exists(folder_ / "out"));
}

TEST_F(MergeProgram, AFullDiskBehindStdoutIsAnErrorThoughTheModelIsThere) {
  const RunResult result =
      run({.args = {"merge", "in", "-o", "out"}, .folder = folder_.path(), .output = "/dev/full"});
  EXPECT_EQ(result.exit_code, 7);
  EXPECT_NE(result.err.find("stdout: cannot write the result"), std::string::npos) << result.err;
  EXPECT_EQ(stkit({"validate", "out", "--against", "in"}).exit_code, 0);
}

// A filesystem of its own, as small as the test needs it.
class SmallDisk {
 public:
  SmallDisk(fs::path place, const std::string& size) : place_(std::move(place)) {
    fs::create_directories(place_);
    mounted_ = mount("stkit-test", place_.c_str(), "tmpfs", 0, ("size=" + size).c_str()) == 0;
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;
  ~SmallDisk() {
    if (mounted_) umount(place_.c_str());
  }
  bool is_mounted() const { return mounted_; }

 private:
  fs::path place_;
  bool mounted_ = false;
};

TEST_F(MergeProgram, WhatDoesNotFitIsRefusedBeforeTheFirstByte) {  // T38
  const SmallDisk disk(folder_ / "disk", "256k");
  if (!disk.is_mounted()) GTEST_SKIP() << "SKIPPED: only root may mount a small tmpfs";
  const RunResult result = stkit({"merge", "in", "-o", "disk/out"});
  EXPECT_EQ(result.exit_code, 7);
  EXPECT_NE(result.err.find("bytes) are needed"), std::string::npos) << result.err;
  EXPECT_NE(result.err.find("bytes) are free"), std::string::npos) << result.err;
  EXPECT_TRUE(fs::is_empty(folder_ / "disk"));
}

TEST_F(MergeProgram, ABatchThatDoesNotFitIsRefusedBeforeTheFirstByte) {  // T38
  const SmallDisk disk(folder_ / "disk", "1m");
  if (!disk.is_mounted()) GTEST_SKIP() << "SKIPPED: only root may mount a small tmpfs";
  for (const char* step : {"run/step_1", "run/step_2"}) {
    fs::create_directories(folder_ / "run");
    fs::copy(folder_ / "in", folder_ / step, fs::copy_options::recursive);
  }
  const std::vector<std::string> command = {"merge", "run", "-o", "disk", "--all-checkpoints"};
  const RunResult refused = stkit(command);
  EXPECT_EQ(refused.exit_code, 7);
  EXPECT_NE(refused.err.find("2 outputs need "), std::string::npos) << refused.err;
  EXPECT_TRUE(fs::is_empty(folder_ / "disk"));

  std::vector<std::string> as_many_as_fit = command;
  as_many_as_fit.push_back("--continue-on-error");
  const RunResult one = stkit(as_many_as_fit);
  EXPECT_EQ(one.exit_code, 1);
  EXPECT_NE(one.out.find("1 done, 1 failed"), std::string::npos) << one.out;
  EXPECT_EQ(names_in("disk"), std::vector<std::string>{"run_step_1"});
}

TEST_F(MergeProgram, ABatchTriesOnlyWhatIsBroken) {  // T20
  for (int step = 1; step <= 20; ++step) {
    fs::create_directories(folder_ / "run");
    fs::copy(folder_ / "in", folder_ / "run" / ("checkpoint-" + std::to_string(step)),
             fs::copy_options::recursive);
  }
  const fs::path shard = folder_ / "run/checkpoint-7/model-00002-of-00003.safetensors";
  const std::string whole = read_file(shard);
  fs::resize_file(shard, whole.size() - 1);
  const std::vector<std::string> command = {"merge",
                                            "run",
                                            "-o",
                                            "out",
                                            "--all-checkpoints",
                                            "--skip-existing",
                                            "--continue-on-error",
                                            "--json",
                                            "--no-sync"};
  const auto expect_counts = [&](int exit_code, uint64_t done, uint64_t skipped, uint64_t failed) {
    const RunResult result = stkit(command);
    EXPECT_EQ(result.exit_code, exit_code) << result.err;
    const Result<JsonValue> document = JsonValue::parse(result.out);
    ASSERT_TRUE(document) << result.out;
    EXPECT_EQ(document->find("done")->as_uint(), done);
    EXPECT_EQ(document->find("skipped")->as_uint(), skipped);
    EXPECT_EQ(document->find("failed")->as_uint(), failed);
    const JsonValue& seventh = document->find("items")->elements()[6];
    EXPECT_EQ(seventh.find("name")->as_string(), "checkpoint-7");
    EXPECT_EQ(seventh.find("error")->is_null(), failed == 0);
  };
  expect_counts(1, 19, 0, 1);
  expect_counts(1, 0, 19, 1);
  write_file(shard, whole);
  expect_counts(0, 1, 19, 0);
  expect_counts(0, 0, 20, 0);
}

TEST_F(MergeProgram, ProgressSaysWhichCheckpointItIsAbout) {
  fs::create_directories(folder_ / "run");
  fs::copy(folder_ / "in", folder_ / "run/step_5", fs::copy_options::recursive);
  const RunResult result =
      stkit({"merge", "run", "-o", "out", "--all-checkpoints", "--progress", "json"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_NE(result.err.find("[1/1] step_5: merging"), std::string::npos) << result.err;
}

}  // namespace
}  // namespace stkit::test
