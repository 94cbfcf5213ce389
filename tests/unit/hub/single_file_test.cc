// download --single-file: shards straight to their places in one file.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <string>

#include "stkit/download.h"
#include "stkit/merge.h"
#include "support/fake_hub.h"
#include "support/model_builder.h"
#include "support/temp_dir.h"

namespace stkit {
namespace {

namespace fs = std::filesystem;
using test::Answer;
using test::FakeHub;
using test::ModelBuilder;
using test::SeenRequest;
using test::TempDir;

constexpr uint64_t kMiB = 1 << 20;

// Three shards of 3 MiB whose tensors come in another order in the whole.
struct Fixture {
  TempDir dir;
  FakeHub hub;
  DownloadOptions options{.reference = "org/name"};

  Fixture() {
    ModelBuilder builder;
    builder.config(R"({"model_type":"test"})").metadata("format", "pt");
    for (const int i : {10, 2, 0, 1, 11, 3, 9, 8, 20})
      builder.tensor(fmt::format("layers.{}.weight", i), DType::BF16, {512, 1024})
          .tensor(fmt::format("layers.{}.bias", i), DType::F32, {static_cast<uint64_t>(i)});
    builder.shards(3).write(dir / "origin");
    test::write_file(dir / "origin" / "tokenizer.json", R"({"version":"1.0"})");
    hub.add_folder(dir / "origin");
    options.hub.endpoint = hub.endpoint();
    options.hub.first_retry_wait = std::chrono::milliseconds(1);
    options.to = dir / "out";
    options.single_file = true;
  }

  // What download and merge give one after the other.
  fs::path merged() {
    DownloadOptions plain = options;
    plain.single_file = false;
    plain.to = dir / "plain";
    EXPECT_TRUE(download(plain, {}));
    const auto plan = MergePlan::make((dir / "plain").string(), (dir / "merged").string(), {});
    EXPECT_TRUE(plan) << plan.error().message;
    EXPECT_TRUE(merge(*plan, {}));
    hub.cdn().clear_log();
    return dir / "merged";
  }

  uint64_t fetched() {
    uint64_t bytes = 0;
    for (const SeenRequest& request : hub.cdn().log()) bytes += request.body_bytes_sent;
    return bytes;
  }
};

void expect_same_files(const fs::path& left, const fs::path& right) {
  std::vector<std::string> names[2];
  const fs::path folders[] = {left, right};
  for (int i = 0; i < 2; ++i) {
    for (const auto& entry : fs::directory_iterator(folders[i]))
      if (entry.is_regular_file() && !entry.path().filename().string().starts_with('.'))
        names[i].push_back(entry.path().filename().string());
    std::ranges::sort(names[i]);
  }
  EXPECT_EQ(names[0], names[1]);
  for (const std::string& name : names[0])
    EXPECT_TRUE(test::read_file(left / name) == test::read_file(right / name)) << name;
}

uint64_t bytes_on_disk(const fs::path& folder) {
  uint64_t bytes = 0;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    struct stat info;
    if (entry.is_regular_file() && ::stat(entry.path().c_str(), &info) == 0)
      bytes += static_cast<uint64_t>(info.st_blocks) * 512;
  }
  return bytes;
}

TEST(SingleFile, IsWhatDownloadAndMergeGive) {
  Fixture f;
  const fs::path merged = f.merged();
  std::atomic<uint64_t> most = 0;
  f.options.events.on_file_done = [&](const DownloadedFile&, double) {
    most = std::max(most.load(), bytes_on_disk(f.dir / "out"));
  };
  const auto report = download(f.options, {});
  ASSERT_TRUE(report) << report.error().message;
  expect_same_files(merged, f.dir / "out");
  EXPECT_EQ(report->path, f.dir / "out");
  EXPECT_EQ(report->network_bytes, report->total_bytes);
  // The blocks of the output, the headers, the companions: no second copy of the weights.
  EXPECT_LT(most, fs::file_size(merged / "model.safetensors") + kMiB);
  std::vector<std::string> left;
  for (const auto& entry : fs::directory_iterator(f.dir / "out/.cache/stkit"))
    left.push_back(entry.path().filename().string());
  EXPECT_EQ(left, std::vector<std::string>{"single-file.json"});

  // Nothing is to be fetched again but what the plan is made of.
  f.hub.cdn().clear_log();
  const auto again = download(f.options, {});
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->network_bytes, 0u);
  EXPECT_EQ(again->present_bytes, again->total_bytes);
  EXPECT_LT(f.fetched(), kMiB);
}

TEST(SingleFile, GoesOnWhereItStopped) {
  Fixture f;
  const fs::path merged = f.merged();
  CancelToken cancel;
  std::atomic<int> shards = 0;
  f.options.files_at_once = 1;
  f.options.events.on_file_done = [&](const DownloadedFile& file, double) {
    if (file.name.ends_with(".safetensors") && ++shards == 2) cancel.cancel();
  };
  const auto stopped = download(f.options, {.cancel = &cancel});
  ASSERT_FALSE(stopped);
  EXPECT_FALSE(fs::exists(f.dir / "out/model.safetensors"));
  f.hub.cdn().clear_log();
  f.options.events = {};
  const auto report = download(f.options, {});
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_GE(report->resumed_bytes, 4 * kMiB);
  EXPECT_EQ(report->resumed_bytes + report->network_bytes + report->present_bytes,
            report->total_bytes);
  expect_same_files(merged, f.dir / "out");
}

// T57: bytes that are wrong are fetched once more, into the same places.
TEST(SingleFile, VerifiesEachShard) {
  Fixture f;
  const fs::path merged = f.merged();
  std::atomic<bool> wrong = true;
  f.hub.tamper_cdn([&](const SeenRequest& request, Answer& answer) {
    const bool bulk = answer.body.size() > kMiB;
    if (bulk && request.target.find("00002-of") != std::string::npos && wrong.exchange(false))
      answer.body[answer.body.size() / 2] ^= 1;
  });
  std::vector<std::string> restarts;
  f.options.events.on_restart = [&](const DownloadRestart& restart) {
    restarts.push_back(restart.name + " " + restart.reason);
  };
  const auto report = download(f.options, {});
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(restarts, std::vector<std::string>{"model-00002-of-00003.safetensors hash_mismatch"});
  expect_same_files(merged, f.dir / "out");
}

TEST(SingleFile, WhatStaysWrongGetsNoName) {
  Fixture f;
  f.hub.tamper_cdn([](const SeenRequest& request, Answer& answer) {
    if (answer.body.size() > kMiB && request.target.find("00003-of") != std::string::npos)
      answer.body.back() ^= 1;
  });
  const auto report = download(f.options, {});
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, ErrorCode::Checksum);
  EXPECT_FALSE(fs::exists(f.dir / "out/model.safetensors"));
  f.hub.tamper_cdn({});
  ASSERT_TRUE(download(f.options, {}));
  EXPECT_TRUE(fs::exists(f.dir / "out/model.safetensors"));
}

TEST(SingleFile, RefusesWhatItCannotDo) {
  Fixture f;
  f.options.to.reset();
  EXPECT_EQ(download(f.options, {}).error().code, ErrorCode::Usage);
  f.options.to = f.dir / "out";
  test::write_file(f.dir / "out/model.safetensors", "my own");
  const auto exists = download(f.options, {});
  ASSERT_FALSE(exists);
  EXPECT_EQ(exists.error().code, ErrorCode::OutputExists);
  EXPECT_EQ(test::read_file(f.dir / "out/model.safetensors"), "my own");
  f.options.force = true;
  ASSERT_TRUE(download(f.options, {}));
  // A file that was changed since is not taken for what was downloaded.
  test::write_file(f.dir / "out/model.safetensors", "mine again");
  f.options.force = false;
  EXPECT_EQ(download(f.options, {}).error().code, ErrorCode::OutputExists);
}

}  // namespace
}  // namespace stkit
