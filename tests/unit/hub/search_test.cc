#include "stkit/search.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>

#include "support/http_server.h"

namespace stkit {
namespace {

using test::Answer;
using test::HttpServer;
using test::SeenRequest;

constexpr std::string_view kModels = R"([
  {"id":"org/sharded","downloads":5,"likes":2,"gated":"manual","lastModified":"2026-01-02T03:04:05.000Z",
   "safetensors":{"parameters":{"BF16":100,"F32":10},"total":110},
   "siblings":[{"rfilename":"model-00002-of-00002.safetensors"},{"rfilename":"config.json"},
               {"rfilename":"model-00001-of-00002.safetensors"},{"rfilename":"pytorch_model.bin"},
               {"rfilename":"original/consolidated.safetensors"}]},
  {"id":"org/quants","gated":false,"gguf":{"total":123},
   "siblings":[{"rfilename":"a-Q4_K_M.gguf"},{"rfilename":"a-Q8_0.gguf"}]},
  {"id":"org/strange","safetensors":{"parameters":{"F5_E9":7},"total":7},
   "siblings":[{"rfilename":"model.safetensors"}]},
  {"id":"org/closed","siblings":[{"rfilename":"pytorch_model.bin"}]},
  {"id":"org/none","siblings":[{"rfilename":"README.md"}]}])";

Answer answer_search(const SeenRequest& request) {
  const auto asks = [&](std::string_view path) { return request.target.starts_with(path); };
  if (asks("/api/models?")) return {.body = std::string(kModels)};
  if (asks("/api/models/org/quants?blobs=true"))
    return {.body = R"({"siblings":[{"rfilename":"a-Q4_K_M.gguf","size":1000},
                        {"rfilename":"a-Q8_0.gguf","size":2000},{"rfilename":"x.md","size":5}]})"};
  if (asks("/api/models/org/strange?"))
    return {.body = R"({"siblings":[{"rfilename":"model.safetensors","size":77}]})"};
  return {.status = 403};
}

SearchOptions options_for(const HttpServer& server) {
  SearchOptions options{.query = "tiny llama", .format = "all"};
  options.hub.endpoint = server.url("");
  options.hub.first_retry_wait = std::chrono::milliseconds(1);
  return options;
}

TEST(Search, TellsWhatTheWeightsAre) {
  HttpServer server(answer_search);
  const auto models = search(options_for(server), {});
  ASSERT_TRUE(models) << models.error().message;
  ASSERT_EQ(models->size(), 5u);
  const FoundModel& sharded = (*models)[0];
  EXPECT_EQ(sharded.format, "safetensors");
  EXPECT_EQ(sharded.weight_files, 2u) << "the second copies do not count";
  EXPECT_EQ(sharded.weight_bytes, 240u);
  EXPECT_EQ(sharded.parameter_count, 110u);
  EXPECT_EQ(sharded.gated, "manual");
  const FoundModel& quants = (*models)[1];
  EXPECT_EQ(quants.format, "gguf");
  EXPECT_EQ(quants.weight_files, 2u);
  EXPECT_EQ(quants.weight_bytes, 3000u);
  EXPECT_EQ(quants.parameter_count, 123u);
  EXPECT_EQ((*models)[2].weight_bytes, 77u) << "of a type that is not known";
  EXPECT_EQ((*models)[3].format, "pytorch");
  EXPECT_FALSE((*models)[3].weight_bytes) << "that one may not be looked into";
  EXPECT_EQ((*models)[4].format, "");
  EXPECT_EQ(server.log().size(), 4u) << "the list, and the three without a size";
}

TEST(Search, AsksAsTheHubWantsToBeAsked) {
  const struct {
    std::string format, sort, part;
  } kCases[] = {
      {"safetensors", "downloads", "sort=downloads&direction=-1&limit=3&filter=safetensors"},
      {"gguf", "likes", "sort=likes&direction=-1&limit=3&filter=gguf"},
      {"all", "modified", "sort=lastModified&direction=-1&limit=3&expand="}};
  for (const auto& c : kCases) {
    HttpServer server([](const SeenRequest&) { return Answer{.body = "[]"}; });
    SearchOptions options = options_for(server);
    options.format = c.format;
    options.sort = c.sort;
    options.limit = 3;
    const auto models = search(options, {});
    ASSERT_TRUE(models) << models.error().message;
    EXPECT_TRUE(models->empty());
    ASSERT_EQ(server.log().size(), 1u);
    EXPECT_NE(server.log()[0].target.find("search=tiny%20llama&" + c.part), std::string::npos)
        << server.log()[0].target;
  }
}

TEST(Search, FailsWithTheCause) {
  HttpServer server([](const SeenRequest&) { return Answer{.status = 401}; });
  SearchOptions options = options_for(server);
  options.hub.token = "hf_old";
  const auto rejected = search(options, {});
  ASSERT_FALSE(rejected);
  EXPECT_EQ(rejected.error().code, ErrorCode::AccessDenied);
  options.hub.offline = true;
  const auto offline = search(options, {});
  ASSERT_FALSE(offline);
  EXPECT_EQ(offline.error().code, ErrorCode::Network);
  options.hub.offline = false;
  options.sort = "size";
  EXPECT_EQ(search(options, {}).error().code, ErrorCode::Usage);
}

}  // namespace
}  // namespace stkit
