#include "stkit/download.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <thread>

#include "hub/partial_file.h"
#include "support/fake_hub.h"
#include "support/temp_dir.h"

namespace stkit {
namespace {

namespace fs = std::filesystem;
using test::Answer;
using test::FakeHub;
using test::SeenRequest;
using test::TempDir;

struct Fixture {
  FakeHub hub;
  TempDir dir;
  DownloadOptions options{.reference = "org/name"};

  Fixture() {
    hub.add("config.json", "{}");
    hub.add("model.safetensors", test::noise(3'000'000), true);
    hub.add("text_encoder/notes.txt", "left out");
    hub.add("vocab/extra.txt", "left out, too");
    options.hub.endpoint = hub.endpoint();
    options.hub.token = "hf_secret";
    options.hub.cache_folder = dir / "cache";
    options.hub.first_retry_wait = std::chrono::milliseconds(1);
  }
  Result<DownloadReport> run() { return download(options, {}); }
  fs::path repo() const { return dir / "cache/models--org--name"; }
  fs::path snapshot() const { return repo() / "snapshots" / std::string(FakeHub::kCommit); }
};

TEST(Download, MakesTheCacheThatTheHubsToolsKnow) {
  Fixture f;
  const auto report = f.run();
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->path, f.snapshot());
  EXPECT_EQ(report->network_bytes, 3'000'002u);
  EXPECT_EQ(test::read_file(f.repo() / "refs/main"), FakeHub::kCommit);  // no line feed
  EXPECT_EQ(fs::read_symlink(f.snapshot() / "config.json"),
            "../../blobs/" + test::git_oid_of("{}"));
  EXPECT_TRUE(test::read_file(f.snapshot() / "model.safetensors") == test::noise(3'000'000));
  EXPECT_TRUE(fs::exists(f.dir / "cache/CACHEDIR.TAG"));
  EXPECT_TRUE(fs::exists(f.repo() / "trees" / (std::string(FakeHub::kCommit) + ".json")));
  EXPECT_FALSE(fs::exists(f.snapshot() / "text_encoder"));
  size_t blobs = 0;
  for (const auto& entry : fs::directory_iterator(f.repo() / "blobs")) {
    ++blobs;
    EXPECT_EQ(entry.path().filename().string().find('.'), std::string::npos) << entry.path();
  }
  EXPECT_EQ(blobs, 2u);

  f.hub.hub().clear_log();
  f.hub.cdn().clear_log();
  const auto again = f.run();
  ASSERT_TRUE(again);
  EXPECT_EQ(again->network_bytes, 0u);
  EXPECT_EQ(again->present_bytes, again->total_bytes);
  EXPECT_EQ(f.hub.hub().log().size(), 2u);  // the revision and the tree
  EXPECT_TRUE(f.hub.cdn().log().empty());
}

// What the events of a download said, in their order.
struct Told {
  std::mutex mutex;
  std::vector<std::string> lines;
  void add(std::string line) {
    const std::lock_guard lock(mutex);
    lines.push_back(std::move(line));
  }
  DownloadEvents events() {
    DownloadEvents events;
    events.on_plan = [this](const DownloadReport& plan) {
      for (const DownloadedFile& file : plan.files)
        add(fmt::format("plan {}{} {}", file.name, file.taken ? "" : " left", file.found_bytes));
    };
    events.on_file_done = [this](const DownloadedFile& file, double) {
      add(fmt::format("done {} {} {}", file.name, file.digest.substr(0, 7), file.found_bytes));
    };
    events.on_restart = [this](const DownloadRestart& restart) {
      add(fmt::format("restart {} {} {}", restart.name, restart.reason, restart.discarded_bytes));
    };
    return events;
  }
};

TEST(Download, TellsWhatItDoes) {
  Fixture f;
  Told told;
  f.options.include = {"*.safetensors"};
  f.options.events = told.events();
  // A first try that breaks after two blocks.
  const auto cut = [](const SeenRequest&, Answer& answer) {
    answer.cut_after = 2u << 20;
    answer.end = Answer::End::Hold;
  };
  f.hub.tamper_cdn(cut);
  CancelToken cancel;
  std::jthread canceller([&] {
    const std::string etag = test::sha256_of(test::noise(3'000'000));
    while (PartialFile::found_bytes(SystemCalls::real(), f.repo() / "blobs" / (etag + ".stkit"),
                                    etag, 3'000'000) < 2u << 20)
      std::this_thread::yield();
    cancel.cancel();
  });
  ASSERT_FALSE(download(f.options, {.cancel = &cancel}));
  canceller.join();
  // The second finds them, but what comes then is wrong, and all is fetched once more.
  f.hub.tamper_cdn([&](const SeenRequest& request, Answer& answer) {
    if (request.range()->first >= 2u << 20) answer.body[0] = static_cast<char>(~answer.body[0]);
    if (request.range()->first == 0) answer.cut_after.reset();
  });
  ASSERT_TRUE(f.run());
  EXPECT_EQ(told.lines, (std::vector<std::string>{
                            "plan config.json left 0", "plan model.safetensors 0",
                            "plan text_encoder/notes.txt left 0", "plan vocab/extra.txt left 0",
                            "plan config.json left 0", "plan model.safetensors 2097152",
                            "plan text_encoder/notes.txt left 0", "plan vocab/extra.txt left 0",
                            "restart model.safetensors hash_mismatch 3000000",
                            "done model.safetensors sha256: 0"}));
}

// One content under two names is fetched once, and both are seen to be done.
TEST(Download, FilesOfOneContentAreAllDone) {
  Fixture f;
  f.hub.add("copy.safetensors", test::noise(3'000'000), true);
  f.options.include = {"*.safetensors"};
  Told told;
  f.options.events = told.events();
  ASSERT_TRUE(f.run());
  std::erase_if(told.lines, [](const std::string& line) { return !line.starts_with("done"); });
  std::ranges::sort(told.lines);
  EXPECT_EQ(told.lines, (std::vector<std::string>{"done copy.safetensors sha256: 0",
                                                  "done model.safetensors sha256: 0"}));
  EXPECT_TRUE(test::read_file(f.snapshot() / "copy.safetensors") == test::noise(3'000'000));
}

TEST(Download, AnswersOfflineFromTheCacheAlone) {
  Fixture f;
  f.options.hub.offline = true;
  const auto nothing = f.run();
  ASSERT_FALSE(nothing);
  EXPECT_EQ(nothing.error().code, ErrorCode::NotFound);
  f.options.hub.offline = false;
  ASSERT_TRUE(f.run());
  f.hub.hub().clear_log();
  f.options.hub.offline = true;
  const auto there = f.run();
  ASSERT_TRUE(there) << there.error().message;
  EXPECT_EQ(there->path, f.snapshot());
  EXPECT_EQ(there->files.size(), 2u);
  EXPECT_TRUE(f.hub.hub().log().empty());
}

TEST(Download, WritesAPlainFolder) {
  Fixture f;
  f.options.to = f.dir / "out";
  f.options.include = {"*"};
  const auto report = f.run();
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->path, f.dir / "out");
  EXPECT_EQ(test::read_file(f.dir / "out/vocab/extra.txt"), "left out, too");
  EXPECT_FALSE(fs::is_symlink(f.dir / "out/config.json"));
  const std::string metadata =
      test::read_file(f.dir / "out/.cache/huggingface/download/vocab/extra.txt.metadata");
  EXPECT_TRUE(metadata.starts_with(std::string(FakeHub::kCommit) + "\n" +
                                   test::git_oid_of("left out, too") + "\n"));
  EXPECT_FALSE(fs::exists(f.dir / "out/.cache/stkit"));
  EXPECT_FALSE(fs::exists(f.dir / "cache"));
  const auto again = f.run();
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->network_bytes, 0u);
}

TEST(Download, ReplacesNothingOfTheUsersOwn) {
  Fixture f;
  f.options.to = f.dir / "out";
  test::write_file(f.dir / "out/config.json", "my own");
  const auto refused = f.run();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::OutputExists);
  EXPECT_EQ(test::read_file(f.dir / "out/config.json"), "my own");
  EXPECT_TRUE(f.hub.cdn().log().empty());
  test::write_file(f.dir / "out/config.json", "{}");  // the same content is adopted
  ASSERT_TRUE(f.run());
  test::write_file(f.dir / "out/config.json", "mine!");
  f.options.force = true;
  ASSERT_TRUE(f.run());
  EXPECT_EQ(test::read_file(f.dir / "out/config.json"), "{}");
}

// F11, T57: main moves on while the download runs, and before it is resumed.
TEST(Download, StaysOnTheCommitThatItBeganWith) {
  Fixture f;
  f.options.revision = FakeHub::kCommit;
  std::atomic<bool> broken = true;
  f.hub.tamper_cdn([&](const SeenRequest&, Answer& answer) {
    if (broken) answer.cut_after = 1'100'000;
  });
  f.options.hub.on_retry = [&](const HubRetry&) { broken = false; };
  const auto report = f.run();
  ASSERT_TRUE(report) << report.error().message;
  for (const SeenRequest& request : f.hub.hub().log())
    if (request.target.find("/resolve/") != std::string::npos) {
      EXPECT_NE(request.target.find(FakeHub::kCommit), std::string::npos);
    }
  EXPECT_FALSE(fs::exists(f.repo() / "refs"));  // a commit is no name for itself
}

// F17: a cache that is complete may be read-only: nothing of it is written to.
TEST(Download, LeavesACompleteCacheAsItIs) {
  Fixture f;
  ASSERT_TRUE(f.run());
  const auto times = [&] {
    std::map<std::string, fs::file_time_type> all;
    for (const auto& entry : fs::recursive_directory_iterator(f.dir / "cache"))
      if (!entry.is_symlink()) all[entry.path().string()] = entry.last_write_time();
    return all;
  };
  const auto before = times();
  ASSERT_TRUE(f.run());
  EXPECT_EQ(times(), before);
}

// T54, T56
TEST(Download, PublishesNothingThatIsWrong) {
  Fixture f;
  f.hub.tamper_cdn([](const SeenRequest&, Answer& answer) { answer.body[7] ^= 1; });
  const auto report = f.run();
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, ErrorCode::Checksum);
  EXPECT_FALSE(fs::exists(f.repo() / "snapshots"));
  EXPECT_FALSE(fs::exists(f.repo() / "refs"));
  EXPECT_EQ((report.error().message + report.error().hint).find("hf_secret"), std::string::npos);
}

// T44, F18: the second waits for the first, and fetches nothing.
TEST(Download, TakesTurnsInOnePlace) {
  Fixture f;
  std::atomic<uint64_t> network = 0;
  std::atomic<int> done = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 2; ++i)
      threads.emplace_back([&] {
        const auto report = f.run();
        if (!report) return;
        ++done;
        network += report->network_bytes;
      });
  }
  EXPECT_EQ(done, 2);
  EXPECT_EQ(network, 3'000'002u);
}

TEST(Download, SaysBeforehandWhatItWouldDo) {
  Fixture f;
  f.options.dry_run = true;
  const auto report = f.run();
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->files.size(), 4u);
  EXPECT_FALSE(fs::exists(f.dir / "cache"));
  EXPECT_TRUE(f.hub.cdn().log().empty());
}

TEST(Download, TellsGatedFromMissing) {
  Fixture f;
  f.hub.needs_token = true;
  f.options.hub.token.clear();
  const auto anonymous = f.run();
  ASSERT_FALSE(anonymous);
  EXPECT_EQ(anonymous.error().code, ErrorCode::AccessDenied);
  f.options.hub.token = "hf_secret";
  EXPECT_TRUE(f.run());
  f.options.reference = "org/other";
  const auto missing = f.run();
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::NotFound);
}

}  // namespace
}  // namespace stkit
