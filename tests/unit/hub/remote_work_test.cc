// merge and quantize of models on a server: one pass, no local copy, the same bytes.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <string>

#include "stkit/hub.h"
#include "stkit/merge.h"
#include "stkit/quantize.h"
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

// Two shards of 4 MiB: matrices, and norms between them.
struct Fixture {
  TempDir dir;
  FakeHub hub;
  OpenOptions open;

  explicit Fixture(bool with_config = true) {
    ModelBuilder builder;
    if (with_config) builder.config(R"({"model_type":"test"})");
    for (int i = 0; i < 4; ++i) {
      builder.tensor(fmt::format("model.layers.{}.mlp.down_proj.weight", i), DType::BF16,
                     {1024, 1024});
      builder.tensor(fmt::format("model.layers.{}.norm.weight", i), DType::F32, {1024});
    }
    builder.shards(2).write(dir / "name");
    test::write_file(dir / "name" / "tokenizer.json", R"({"version":"1.0"})");
    test::write_file(dir / "name" / "README.md", "about it");
    hub.add_folder(dir / "name");
    HubOptions options;
    options.endpoint = hub.endpoint();
    options.first_retry_wait = std::chrono::milliseconds(1);
    open.remote = hub_references(options);
  }

  Result<MergeReport> merge_to(std::string_view reference, const fs::path& out,
                               MergeOptions options = {}, const RunOptions& run = {}) {
    options.open = open;
    STKIT_ASSIGN(const MergePlan plan, MergePlan::make(reference, out.string(), options));
    return merge(plan, run);
  }
  std::string model() const { return (dir / "name").string(); }
};

void expect_same_files(const fs::path& left, const fs::path& right) {
  size_t files = 0;
  for (const auto& entry : fs::directory_iterator(left)) {
    ++files;
    EXPECT_TRUE(test::read_file(entry.path()) == test::read_file(right / entry.path().filename()))
        << entry.path();
  }
  EXPECT_EQ(files, static_cast<size_t>(std::distance(fs::directory_iterator(right), {})));
}

TEST(RemoteWork, AMergeIsThatOfALocalCopy) {
  Fixture f;
  ASSERT_TRUE(f.merge_to(f.model(), f.dir / "local"));
  const auto report = f.merge_to("org/name", f.dir / "remote");
  ASSERT_TRUE(report) << report.error().message << report.error().path;
  expect_same_files(f.dir / "local", f.dir / "remote");
  EXPECT_TRUE(fs::exists(f.dir / "remote" / "tokenizer.json"));

  // In requests of several MiB, each byte once, not one after the other.
  uint64_t large = 0, moved = 0;
  for (const SeenRequest& request : f.hub.cdn().log()) {
    moved += request.body_bytes_sent;
    large += request.body_bytes_sent >= kMiB ? request.body_bytes_sent : 0;
  }
  EXPECT_GE(large, 6 * kMiB);
  EXPECT_LE(moved, 9 * kMiB);
  EXPECT_LE(f.hub.cdn().log().size(), 16u);
  EXPECT_GE(f.hub.cdn().connections(), 2u);
}

TEST(RemoteWork, ACastIsThatOfALocalCopy) {
  Fixture f;
  const MergeOptions options{.dtype = DType::F16, .on_overflow = Overflow::Clamp, .verify = false};
  ASSERT_TRUE(f.merge_to(f.model(), f.dir / "local", options));
  const auto report =
      f.merge_to("org/name", f.dir / "remote", options, {.max_memory_bytes = 8 * kMiB});
  ASSERT_TRUE(report) << report.error().message << report.error().path;
  expect_same_files(f.dir / "local", f.dir / "remote");
}

TEST(RemoteWork, AQuantizedModelIsThatOfALocalCopy) {
  Fixture f(false);  // of no known architecture: under its own names
  const auto quantized = [&](std::string_view reference, const fs::path& out) {
    QuantizeOptions options;
    options.open = f.open;
    const auto plan = QuantizePlan::make(reference, out.string(), options);
    if (!plan) return plan.error().message;
    const auto report = quantize(*plan, {});
    EXPECT_TRUE(report) << report.error().message << report.error().path;
    return test::read_file(out);
  };
  const std::string local = quantized(f.model(), f.dir / "local.gguf");
  ASSERT_TRUE(local.starts_with("GGUF")) << local;
  EXPECT_TRUE(quantized("org/name", f.dir / "remote.gguf") == local);
  EXPECT_LE(f.hub.cdn().log().size(), 24u) << "8 MiB, and the norms";
}

// T49: what breaks is gone on with, what does not come leaves nothing half-made.
TEST(RemoteWork, ABrokenConnectionIsMendedAndARefusalLeavesNothing) {
  Fixture f;
  ASSERT_TRUE(f.merge_to(f.model(), f.dir / "local"));
  std::atomic<int> count = 0;
  f.hub.tamper_cdn([&](const SeenRequest&, Answer& answer) {
    if (++count % 3 == 0) answer.cut_after = answer.body.size() / 2;
  });
  const auto mended = f.merge_to("org/name", f.dir / "remote");
  ASSERT_TRUE(mended) << mended.error().message;
  expect_same_files(f.dir / "local", f.dir / "remote");

  f.hub.tamper_cdn([&](const SeenRequest& request, Answer& answer) {
    if (request.range()->first > 2 * kMiB) answer = {.status = 403, .body = "no"};
  });
  const auto refused = f.merge_to("org/name", f.dir / "refused");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::AccessDenied);
  EXPECT_TRUE(!fs::exists(f.dir / "refused") || fs::is_empty(f.dir / "refused"));
}

}  // namespace
}  // namespace stkit
