// validate --checksums hub: local files against what the Hub says of a revision.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "stkit/download.h"
#include "stkit/validate.h"
#include "support/fake_hub.h"
#include "support/model_builder.h"
#include "support/temp_dir.h"

namespace stkit {
namespace {

namespace fs = std::filesystem;
using test::FakeHub;
using test::ModelBuilder;
using test::TempDir;

struct Fixture {
  TempDir dir;
  FakeHub hub;
  HubOptions options;

  Fixture() {
    ModelBuilder()
        .tensor("a", DType::F32, {300})
        .tensor("b", DType::F32, {300})
        .shards(2)
        .config(R"({"model_type":"test"})")
        .write(dir / "origin");
    hub.add_folder(dir / "origin");
    options.endpoint = hub.endpoint();
    options.cache_folder = dir / "cache";
    options.first_retry_wait = std::chrono::milliseconds(1);
  }

  // The checks that failed, with their files.
  Result<std::vector<std::string>> findings(const fs::path& model, std::string reference = {}) {
    ValidateOptions wanted;
    wanted.hub_checksums = {std::move(reference), options};
    wanted.open.remote = hub_references(options);
    STKIT_ASSIGN(const ValidateReport report, validate(model.string(), wanted, {}));
    std::vector<std::string> found;
    for (const Finding& finding : report.findings)
      if (std::string(info(finding.check).id).starts_with("CK"))
        found.push_back(std::string(info(finding.check).id) + " " +
                        fs::path(finding.path).filename().string());
    return found;
  }
};

using Findings = std::vector<std::string>;

void flip_last_byte(const fs::path& path) {
  std::string text = test::read_file(path);
  text.back() ^= 1;
  test::write_file(path, text);
}

TEST(HubChecksums, ASnapshotOfTheCacheTellsWhereItIsFrom) {
  Fixture f;
  const auto report = download({.reference = "org/name", .hub = f.options}, {});
  ASSERT_TRUE(report) << report.error().message;
  const auto sound = f.findings(report->path);
  ASSERT_TRUE(sound) << sound.error().message;
  EXPECT_EQ(*sound, Findings());
  flip_last_byte(fs::canonical(report->path / "model-00002-of-00002.safetensors"));
  flip_last_byte(fs::canonical(report->path / "config.json"));  // known by git's SHA-1
  EXPECT_EQ(*f.findings(report->path),
            (Findings{"CK001 config.json", "CK001 model-00002-of-00002.safetensors"}));
}

TEST(HubChecksums, AFolderIsComparedWithTheRepositoryThatIsNamed) {
  Fixture f;
  const auto unknown = f.findings(f.dir / "origin");
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, ErrorCode::Usage);
  const auto sound = f.findings(f.dir / "origin", "hf://org/name");
  ASSERT_TRUE(sound) << sound.error().message;
  EXPECT_EQ(*sound, Findings());
  // Of another size: told without reading it.
  test::write_file(f.dir / "origin/config.json", R"({"model_type":"other"})");
  EXPECT_EQ(*f.findings(f.dir / "origin", "hf://org/name@main"), Findings{"CK001 config.json"});
  fs::rename(f.dir / "origin/model-00001-of-00002.safetensors", f.dir / "origin/own.safetensors");
  fs::remove(f.dir / "origin/model-00002-of-00002.safetensors");
  fs::remove(f.dir / "origin/model.safetensors.index.json");
  EXPECT_EQ(*f.findings(f.dir / "origin", "hf://org/name"),
            (Findings{"CK001 config.json", "CK003 own.safetensors"}));
  EXPECT_EQ(f.findings(f.dir / "origin", "hf://org/nope").error().code, ErrorCode::NotFound);
}

// The commit that the download noted is asked for, although `main` has moved on.
TEST(HubChecksums, ADownloadIsHeldAgainstTheCommitThatItIsOf) {
  Fixture f;
  ASSERT_TRUE(download({.reference = "org/name", .to = f.dir / "out", .hub = f.options}, {}));
  const auto sound = f.findings(f.dir / "out", "hf://org/name");
  ASSERT_TRUE(sound) << sound.error().message;
  EXPECT_EQ(*sound, Findings());
  const auto log = f.hub.hub().log();
  EXPECT_TRUE(std::ranges::any_of(log, [](const test::SeenRequest& request) {
    return request.target.ends_with("/revision/" + std::string(FakeHub::kCommit));
  }));
}

TEST(HubChecksums, AModelOnTheHubIsReadAndCompared) {
  Fixture f;
  const auto sound = f.findings("org/name");
  ASSERT_TRUE(sound) << sound.error().message;
  EXPECT_EQ(*sound, Findings());
  f.hub.tamper_cdn([](const test::SeenRequest& request, test::Answer& answer) {
    if (request.target.find("00001") != std::string::npos) answer.body.back() ^= 1;
  });
  EXPECT_EQ(*f.findings("org/name"), Findings{"CK001 model-00001-of-00002.safetensors"});
}

}  // namespace
}  // namespace stkit
