// T41, F16: download, killed in front of its system calls, evenly spread over all of them, and run
// again. STKIT_STOP_POINTS=50 looks at more of them than a run of all tests has time for.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <utility>

#include "base/json_reader.h"
#include "nginx_hub.h"
#include "run_program.h"
#include "stopped_run.h"
#include "support/fake_hub.h"
#include "support/temp_dir.h"

namespace stkit::test {
namespace {

namespace fs = std::filesystem;

// What the journal tells of is whole blocks of this size: what one connection may lose.
constexpr uint64_t kBlock = 1 << 20;
constexpr uint64_t kConnections = 8;

uint64_t stop_points() {
  const char* wanted = std::getenv("STKIT_STOP_POINTS");
  return wanted == nullptr ? 3 : std::strtoull(wanted, nullptr, 10);
}

using Extent = std::pair<uint64_t, uint64_t>;  // first byte, the one behind the last

// What was written of a file that was made as one hole.
std::vector<Extent> written(const fs::path& path) {
  std::vector<Extent> extents;
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  for (off_t first = 0, end = 0; (first = lseek(file, end, SEEK_DATA)) >= 0;) {
    end = lseek(file, first, SEEK_HOLE);
    extents.emplace_back(first, end);
  }
  close(file);
  return extents;
}

using Written = std::map<std::string, std::vector<Extent>>;  // by the file's digest

// Bytes that were there and that the last run asked for all the same. REQUIRES: the hub is stopped.
uint64_t fetched_again(const Written& files, const NginxHub& hub) {
  // nginx counts the connections of both its servers; a run begins with the revision.
  uint64_t begin = 0;
  for (const LoggedRequest& request : hub.hub_log())
    if (request.target.find("/revision/") != std::string::npos)
      begin = std::max(begin, request.connection);
  uint64_t bytes = 0;
  for (const LoggedRequest& request : hub.cdn_log()) {
    const auto found = files.find(request.target.substr(request.target.rfind('/') + 1, 64));
    if (request.connection < begin || found == files.end()) continue;
    for (const auto& [first, end] : found->second) {
      const uint64_t from = std::max(first, request.range.first);
      bytes += std::max(std::min(end, request.range.second), from) - from;
    }
  }
  return bytes;
}

class DownloadStopped : public testing::Test {
 protected:
  DownloadStopped() {
    add("config.json", "{}");
    add("tokenizer.json", "[1]");
    for (uint32_t i = 0; i < 18; ++i)
      add("model-" + std::to_string(i) + ".safetensors",
          noise(i < 3 ? 9 * kBlock + i : 200'000 + i, i));
  }
  void add(const std::string& name, std::string content) {
    write_file(folder_ / ("site/repo/" + name), content);
    contents_[name] = std::move(content);
  }
  fs::path cache() const { return folder_ / "cache/models--org--name"; }
  std::vector<std::string> variables(const NginxHub& hub) const {
    return {"HF_ENDPOINT=" + hub.hub(), "HF_HUB_CACHE=" + (folder_ / "cache").string()};
  }
  std::optional<StoppedRun> run_until(const NginxHub& hub, std::optional<uint64_t> call) const {
    fs::remove_all(folder_ / "cache");
    return run_and_stop(command_, folder_.path(), SIGKILL, call, variables(hub));
  }
  RunResult run_again(const NginxHub& hub) const {
    return run({.args = command_,
                .folder = folder_.path(),
                .environment = {{"HF_ENDPOINT", hub.hub()},
                                {"HF_HUB_CACHE", (folder_ / "cache").string()}}});
  }

  // What has its name is whole; a snapshot that is there, too. Returns how many files it has.
  size_t expect_nothing_broken(const NginxHub& hub) const {
    std::error_code none;
    for (const auto& blob : fs::directory_iterator(cache() / "blobs", none))
      if (const std::string name = blob.path().filename().string(); name.size() == 64) {
        EXPECT_EQ(sha256_of(read_file(blob.path())), name);
      }
    size_t files = 0;
    for (const auto& [name, content] : contents_)
      if (const fs::path path = cache() / "snapshots" / hub.commit() / name; fs::exists(path)) {
        ++files;
        EXPECT_TRUE(read_file(path) == content) << name;
      }
    if (fs::exists(cache() / "refs/main")) {
      EXPECT_EQ(files, contents_.size());
    }
    return files;
  }
  Written partial_files() const {
    Written extents;
    std::error_code none;
    for (const auto& file : fs::directory_iterator(cache() / "blobs", none))
      if (file.path().extension() == ".incomplete")
        extents[file.path().filename().string().substr(0, 64)] = written(file.path());
    return extents;
  }

  const std::vector<std::string> command_ = {"download", "org/name", "--json", "--connections",
                                             std::to_string(kConnections)};
  TempDir folder_;
  std::map<std::string, std::string> contents_;
};

TEST_F(DownloadStopped, KilledItGoesOnWithWhatHasArrived) {
  uint64_t calls = 0;
  {
    const NginxHub hub(folder_ / "site");
    if (!hub.problem().empty()) GTEST_SKIP() << hub.problem();
    const auto whole = run_until(hub, {});
    if (!whole) GTEST_SKIP() << "SKIPPED: this system does not let a process trace another";
    ASSERT_EQ(whole->exit_code, 0);
    ASSERT_EQ(expect_nothing_broken(hub), contents_.size());
    calls = whole->calls;
  }
  uint64_t resumed = 0, most_twice = 0;
  for (uint64_t point = 0; point < stop_points(); ++point) {
    for (const char* log : {"hub.log", "cdn.log"}) fs::remove(folder_ / "site" / log);
    NginxHub hub(folder_ / "site");
    const uint64_t call = calls * (2 * point + 1) / (2 * stop_points());
    SCOPED_TRACE("call " + std::to_string(call) + " of " + std::to_string(calls));
    const auto stopped = run_until(hub, call);
    ASSERT_TRUE(stopped);
    // The calls of several threads are not as many in each run: it may have ended before.
    EXPECT_TRUE(stopped->exit_code == 128 + SIGKILL || stopped->exit_code == 0);
    expect_nothing_broken(hub);
    const Written found = partial_files();
    const RunResult result = run_again(hub);
    ASSERT_EQ(result.exit_code, 0) << result.err;
    EXPECT_EQ(expect_nothing_broken(hub), contents_.size());
    EXPECT_TRUE(partial_files().empty());
    resumed += JsonValue::parse(result.out)->find("resumed_bytes")->as_uint().value_or(0);
    hub.stop();
    most_twice = std::max(most_twice, fetched_again(found, hub));
  }
  RecordProperty("most_bytes_fetched_twice", std::to_string(most_twice));
  RecordProperty("resumed_bytes", std::to_string(resumed));
  EXPECT_LE(most_twice, kConnections * kBlock);
}

}  // namespace
}  // namespace stkit::test
