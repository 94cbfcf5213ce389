// T41, T43: merge, killed and interrupted in front of its system calls, evenly spread over all of
// them. STKIT_STOP_POINTS=200 looks at more of them than a run of all tests has time for.
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>

#include "run_program.h"
#include "stopped_run.h"
#include "support/model_builder.h"
#include "support/temp_dir.h"

namespace stkit::test {
namespace {

namespace fs = std::filesystem;

using Files = std::map<std::string, std::string>;  // name in a folder, content

Files files_of(const fs::path& folder) {
  Files files;
  if (!fs::exists(folder)) return files;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder))
    files[entry.path().filename().string()] = read_file(entry.path());
  return files;
}

uint64_t stop_points() {
  const char* wanted = std::getenv("STKIT_STOP_POINTS");
  return wanted == nullptr ? 8 : std::strtoull(wanted, nullptr, 10);
}

struct Scenario {
  std::string name;
  std::vector<std::string> options;
  bool replaces = false;  // another model is there before
};

const Scenario kScenarios[] = {
    {"Whole", {}}, {"Sharded", {"--max-shard-size", "300KB"}}, {"Replacing", {"--force"}, true}};

class MergeStopped : public testing::TestWithParam<Scenario> {
 protected:
  MergeStopped() {
    make_model("in", 4, 1.0f);
    make_model("old", 2, 2.0f);
    EXPECT_EQ(run({.args = command("new", {}), .folder = folder_.path()}).exit_code, 0);
    expected_ = files_of(folder_ / "new");
    EXPECT_EQ(run({.args = {"merge", "old", "-o", "before"}, .folder = folder_.path()}).exit_code,
              0);
    if (GetParam().replaces) before_ = files_of(folder_ / "before");
  }

  void SetUp() override {
    prepare();
    const auto whole = run_and_stop(command("out", {}), folder_.path(), SIGKILL, {});
    if (!whole) GTEST_SKIP() << "SKIPPED: this system does not let a process trace another";
    ASSERT_EQ(whole->exit_code, 0);
    ASSERT_EQ(files_of(folder_ / "out"), expected_);
    calls_ = whole->calls;
  }

  void make_model(const std::string& name, size_t shards, float value) const {
    ModelBuilder model;
    for (int i = 0; i < 8; ++i) {
      const std::string tensor = "layers." + std::to_string(i) + ".weight";
      const uint64_t rows = 200 + 8 * static_cast<uint64_t>(i);
      std::string data = ModelBuilder::data_of(tensor, DType::F32, {rows, 128});
      data.replace(0, sizeof value, reinterpret_cast<const char*>(&value), sizeof value);
      model.tensor(tensor, DType::F32, {rows, 128}, data);
    }
    model.shards(shards).config(R"({"model_type":")" + name + "\"}");
    fs::create_directories(folder_ / name);
    model.write(folder_ / name);
    write_file(folder_ / name / "tokenizer.json", R"({"of":")" + name + "\"}");
  }

  std::vector<std::string> command(const std::string& output,
                                   const std::vector<std::string>& more) const {
    std::vector<std::string> args = {"merge", "in", "-o", output, "-j2"};
    args.insert(args.end(), GetParam().options.begin(), GetParam().options.end());
    args.insert(args.end(), more.begin(), more.end());
    return args;
  }

  void prepare() const {
    fs::remove_all(folder_ / "out");
    if (GetParam().replaces) fs::copy(folder_ / "before", folder_ / "out");
  }

  // Stops it in front of the calls that `points` of equal distance fall on.
  template <class Look>
  void stop_everywhere(int signal, Look look) const {
    const uint64_t points = std::min(stop_points(), calls_);
    for (uint64_t point = 0; point < points; ++point) {
      prepare();
      const uint64_t call = calls_ * point / points;
      SCOPED_TRACE("call " + std::to_string(call) + " of " + std::to_string(calls_));
      const auto stopped = run_and_stop(command("out", {}), folder_.path(), signal, call);
      ASSERT_TRUE(stopped);
      look(*stopped);
    }
  }

  // Under the final names: nothing, what was there, or the whole new file; what is published last
  // comes with all that it needs.
  void expect_nothing_broken(const Files& files) const {
    bool all_new = true;
    for (const auto& [name, content] : expected_) {
      const auto found = files.find(name);
      const auto old = before_.find(name);
      const bool is_new = found != files.end() && found->second == content;
      const bool is_old = old == before_.end()
                              ? found == files.end()
                              : found != files.end() && found->second == old->second;
      EXPECT_TRUE(is_new || is_old) << name << " is broken";
      all_new = all_new && is_new;
    }
    if (has_last(files)) {
      EXPECT_TRUE(all_new) << "the last was published before what it needs";
    }
    for (const auto& [name, content] : files)
      EXPECT_TRUE(name.starts_with('.') || expected_.contains(name)) << name;
  }

  // Whether the file that is published last is the new one.
  bool has_last(const Files& files) const {
    const std::string last = expected_.contains("model.safetensors")
                                 ? "model.safetensors"
                                 : "model.safetensors.index.json";
    const auto published = files.find(last);
    return published != files.end() && published->second == expected_.at(last);
  }

  static Files visible(Files files) {
    std::erase_if(files, [](const auto& file) { return file.first.starts_with('.'); });
    return files;
  }

  TempDir folder_;
  Files expected_, before_;
  uint64_t calls_ = 0;
};

TEST_P(MergeStopped, KilledItLeavesNothingBrokenAndARerunMendsIt) {  // T41
  stop_everywhere(SIGKILL, [&](const StoppedRun& stopped) {
    // The calls of several threads are not as many in each run: it may have ended before.
    EXPECT_TRUE(stopped.exit_code == 128 + SIGKILL || stopped.exit_code == 0) << stopped.exit_code;
    const Files left = files_of(folder_ / "out");
    expect_nothing_broken(left);
    const RunResult again = run({.args = command("out", {"--no-sync"}), .folder = folder_.path()});
    // Killed behind its last file, all of the new model is there, and in the way.
    const bool is_in_the_way = has_last(left) && !GetParam().replaces;
    EXPECT_EQ(again.exit_code, is_in_the_way ? 7 : 0) << again.err;
    const Files files = files_of(folder_ / "out");
    EXPECT_EQ(is_in_the_way ? visible(files) : files, expected_);
  });
}

TEST_P(MergeStopped, InterruptedItTakesEverythingBack) {  // T43
  uint64_t interrupted = 0;
  stop_everywhere(SIGINT, [&](const StoppedRun& stopped) {
    const Files files = files_of(folder_ / "out");
    for (const auto& [name, content] : files) EXPECT_FALSE(name.starts_with('.')) << name;
    if (stopped.exit_code == 0) {  // it came too late
      EXPECT_EQ(files, expected_);
      return;
    }
    EXPECT_EQ(stopped.exit_code, 130);
    ++interrupted;
    expect_nothing_broken(files);
    if (!GetParam().replaces) {
      EXPECT_FALSE(fs::exists(folder_ / "out"));
    }
  });
  EXPECT_GT(interrupted, 0u);
}

INSTANTIATE_TEST_SUITE_P(Scenarios, MergeStopped, testing::ValuesIn(kScenarios),
                         [](const auto& row) { return row.param.name; });

}  // namespace
}  // namespace stkit::test
