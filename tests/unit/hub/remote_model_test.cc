// Models that are read from servers without being downloaded.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>

#include "stkit/hub.h"
#include "stkit/model.h"
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

// A model of three shards of 300 KB each, as files.
void build_model(const fs::path& folder) {
  ModelBuilder builder;
  for (int i = 0; i < 12; ++i)
    builder.tensor("layers." + std::to_string(i) + ".weight", DType::F32, {150, 128});
  builder.shards(3).config(R"({"architectures":["TestModel"],"model_type":"test"})").write(folder);
}

HubOptions options_for(const FakeHub& hub) {
  HubOptions options;
  options.endpoint = hub.endpoint();
  options.first_retry_wait = std::chrono::milliseconds(1);
  return options;
}

OpenOptions open_options(HubOptions options) {
  return {.remote = hub_references(std::move(options))};
}

TEST(RemoteModel, CostsTwoRequestsAShardAtMost) {
  const TempDir dir;
  build_model(dir.path());
  FakeHub hub;
  hub.add_folder(dir.path());
  const auto remote = Model::open("org/name", open_options(options_for(hub)));
  ASSERT_TRUE(remote) << remote.error().message;
  const auto local = Model::open(dir.path().string());
  ASSERT_TRUE(local);
  EXPECT_EQ(remote->tensors().size(), 12u);
  EXPECT_EQ(remote->name(), "name");
  ASSERT_EQ(remote->files().size(), local->files().size());
  for (size_t i = 0; i < local->files().size(); ++i) {
    EXPECT_EQ(remote->files()[i].name, local->files()[i].name);
    EXPECT_EQ(remote->files()[i].size_bytes, local->files()[i].size_bytes);
  }
  uint64_t moved = 0;
  for (const SeenRequest& request : hub.cdn().log()) moved += request.body_bytes_sent;
  EXPECT_LE(hub.cdn().log().size(), 2u * 3);
  EXPECT_LE(moved, 3u * 128 * 1024);
  for (const SeenRequest& request : hub.cdn().log()) EXPECT_EQ(request.header("authorization"), "");

  const TensorInfo* tensor = remote->find("layers.7.weight");
  const TensorInfo* same = local->find("layers.7.weight");
  ASSERT_TRUE(tensor != nullptr && same != nullptr);
  std::vector<std::byte> far(tensor->size_bytes), near(tensor->size_bytes);
  ASSERT_TRUE(remote->read(*tensor, 0, tensor->element_count, far));
  ASSERT_TRUE(local->read(*same, 0, same->element_count, near));
  EXPECT_EQ(far, near);
}

TEST(RemoteModel, ReadsALongHeaderWithoutFetchingItsStartAgain) {
  const TempDir dir;
  ModelBuilder builder;
  for (int i = 0; i < 3000; ++i)
    builder.tensor("a.tensor.with.a.long.name.number." + std::to_string(i), DType::F32, {4});
  builder.write(dir.path());
  FakeHub hub;
  hub.add_folder(dir.path());
  const auto model = Model::open("hf://org/name@main", open_options(options_for(hub)));
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_EQ(model->tensors().size(), 3000u);
  const auto requests = hub.requests_for("model.safetensors");
  ASSERT_EQ(requests.size(), 2u);
  EXPECT_EQ(requests[0].range()->first, 0u);
  EXPECT_EQ(requests[1].range()->first, requests[0].range()->second + 1);
}

// As large as the largest published models: the Hub is asked for each shard once, a CDN once.
TEST(RemoteModel, OfManyShardsCostsLittle) {
  constexpr size_t kShards = 163;
  const TempDir dir;
  ModelBuilder builder;
  for (size_t i = 0; i < kShards * 100; ++i)
    builder.tensor("model.layers." + std::to_string(i / 600) + ".mlp.experts." +
                       std::to_string(i % 600) + ".down_proj.weight",
                   DType::BF16, {1, 2});
  builder.shards(kShards).config(R"({"model_type":"test"})").write(dir.path());
  FakeHub hub;
  hub.add_folder(dir.path());
  const auto model = Model::open("org/name", open_options(options_for(hub)));
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_EQ(model->tensors().size(), kShards * 100);
  uint64_t moved = 0;
  for (test::HttpServer* server : {&hub.hub(), &hub.cdn()})
    for (const SeenRequest& request : server->log()) moved += request.body_bytes_sent;
  // Beside the shards: revision, tree, index.
  EXPECT_LE(hub.hub().log().size() + hub.cdn().log().size(), 2 * kShards + 3);
  EXPECT_LT(moved, 8'000'000u);
  // Again, with more files than are kept open.
  for (const TensorInfo& tensor : model->tensors()) {
    std::vector<std::byte> bytes(tensor.size_bytes);
    ASSERT_TRUE(model->read(tensor, 0, tensor.element_count, bytes));
  }
}

// T49
TEST(RemoteModel, GoesOnWhereAConnectionBroke) {
  const TempDir dir;
  build_model(dir.path());
  FakeHub hub;
  hub.add_folder(dir.path());
  std::atomic<int> count = 0;
  hub.tamper_cdn([&](const SeenRequest&, Answer& answer) {
    const int i = count++;
    if (i < 3) answer.cut_after = static_cast<uint64_t>(i) * 20'000 + 1;
    if (i == 1) answer.end = Answer::End::Reset;
  });
  HubOptions options = options_for(hub);
  std::atomic<int> retries = 0;
  options.on_retry = [&](const HubRetry&) { ++retries; };
  const auto model = Model::open("org/name", open_options(options));
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_EQ(model->tensors().size(), 12u);
  EXPECT_GE(retries, 1);
}

TEST(RemoteModel, ReadsAFileBehindAnyAddress) {
  const TempDir dir;
  ModelBuilder().tensor("w", DType::F32, {2, 3}).write(dir.path());
  const std::string content = test::read_file(dir / "model.safetensors");
  test::HttpServer server([&](const SeenRequest& request) {
    return request.target == "/some/model%20x.safetensors?sig=secret"
               ? test::serve_content(request, content, "tag")
               : Answer{.status = 404};
  });
  const auto options = open_options({});
  const auto model = Model::open(server.url("/some/model%20x.safetensors?sig=secret"), options);
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_EQ(model->tensors().size(), 1u);
  EXPECT_EQ(model->files()[0].path.find("secret"), std::string::npos);  // T56
  const auto missing = Model::open(server.url("/none.safetensors"), options);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::NotFound);
}

TEST(RemoteModel, SaysWhatIsMissingAndWhere) {
  FakeHub hub;
  const auto options = open_options(options_for(hub));
  const auto typo = Model::open("org/nothing", options);
  ASSERT_FALSE(typo);
  EXPECT_EQ(typo.error().code, ErrorCode::NotFound);
  EXPECT_NE(typo.error().message.find("no local file or folder"), std::string::npos);
  const auto revision = Model::open("org/name@nope", options);
  ASSERT_FALSE(revision);
  EXPECT_NE(revision.error().message.find("no such revision"), std::string::npos);
  const auto path = Model::open("a/b/c", options);
  ASSERT_FALSE(path);
  EXPECT_EQ(path.error().message, "no such file or folder");
}

// T55: names that lead out of the folder are listed as unusable, and never asked for.
TEST(RemoteModel, DoesNotFollowHostileNames) {
  const TempDir dir;
  build_model(dir.path());
  FakeHub hub;
  hub.add_folder(dir.path());
  hub.add("../evil.safetensors", "x", true);
  hub.add("a\\b.safetensors", "x", true);
  HubOptions hub_options = options_for(hub);
  const auto opened = hub_references(hub_options)("org/name");
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_FALSE(opened->folder->open("../evil.safetensors"));
  const auto entries = opened->folder->list();
  ASSERT_TRUE(entries);
  const auto hostile = std::ranges::find(*entries, "a\\b.safetensors", &FolderEntry::name);
  ASSERT_NE(hostile, entries->end());
  EXPECT_EQ(hostile->kind, EntryKind::Other);
  EXPECT_NE(hostile->problem.find("backslash"), std::string::npos);
  for (const SeenRequest& request : hub.hub().log())
    EXPECT_EQ(request.target.find("evil"), std::string::npos);
}

TEST(RemoteModel, IsReadFromTheCacheWhereItIsThere) {
  const TempDir dir, cache;
  build_model(dir.path());
  FakeHub hub;
  hub.add_folder(dir.path());
  const fs::path repo = cache / "models--org--name";
  const fs::path snapshot = repo / "snapshots" / std::string(FakeHub::kCommit);
  fs::create_directories(snapshot.parent_path());
  fs::copy(dir.path(), snapshot);
  test::write_file(repo / "refs" / "main", FakeHub::kCommit);
  HubOptions options = options_for(hub);
  options.cache_folder = cache.path();
  ASSERT_TRUE(Model::open("org/name", open_options(options)));
  EXPECT_TRUE(hub.cdn().log().empty());

  hub.hub().clear_log();
  options.offline = true;
  const auto offline = Model::open("org/name", open_options(options));
  ASSERT_TRUE(offline) << offline.error().message;
  EXPECT_EQ(offline->tensors().size(), 12u);
  EXPECT_TRUE(hub.hub().log().empty());
  EXPECT_FALSE(Model::open("org/name@other", open_options(options)));
}

// F14
TEST(RemoteModel, FailsSoonWhenNothingAnswers) {
  HubOptions options;
  options.endpoint = "http://127.0.0.1:" + std::to_string(test::closed_port());
  CancelToken cancel;
  options.cancel = &cancel;
  options.on_retry = [&](const HubRetry&) { cancel.cancel(); };
  const auto model = Model::open("org/name", open_options(options));
  ASSERT_FALSE(model);
  EXPECT_EQ(model.error().code, ErrorCode::Interrupted);
}

}  // namespace
}  // namespace stkit
