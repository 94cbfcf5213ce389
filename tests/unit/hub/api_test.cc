#include "hub/api.h"

#include <gtest/gtest.h>

#include "hub/reference.h"
#include "support/fake_hub.h"

namespace stkit {
namespace {

using test::Answer;
using test::FakeHub;
using test::HttpServer;
using test::SeenRequest;

FetchOptions options_for(const std::string& endpoint, std::string token = {}) {
  FetchOptions options;
  options.endpoint = *Url::parse(endpoint);
  options.token = std::move(token);
  options.retry.first_wait = std::chrono::milliseconds(1);
  return options;
}

TEST(HubApi, ListsAllPagesOfATree) {
  FakeHub hub;
  hub.files_per_page = 10;
  for (int i = 0; i < 25; ++i) hub.add("file" + std::to_string(100 + i), std::string(10, 'x'));
  hub.add("z model.safetensors", "weights", true);
  Fetcher fetcher(options_for(hub.endpoint()));
  HubApi api(fetcher, *Url::parse(hub.endpoint()));
  const auto tree = api.tree("org/name", "main", nullptr);
  ASSERT_TRUE(tree) << tree.error().message;
  EXPECT_EQ(tree->commit, FakeHub::kCommit);
  ASSERT_EQ(tree->files.size(), 26u);
  EXPECT_EQ(tree->files[0].path, "file100");
  EXPECT_EQ(tree->files[0].etag(), test::git_oid_of(std::string(10, 'x')));
  EXPECT_EQ(tree->files[25].etag(), test::sha256_of("weights"));
  EXPECT_EQ(hub.hub().log().size(), 4u);  // the revision and three pages
  EXPECT_EQ(api.file_url("org/name", "refs/pr/1", "a b/c#d.bin").text(),
            hub.endpoint() + "/org/name/resolve/refs%2Fpr%2F1/a%20b/c%23d.bin");
}

TEST(HubApi, WorksBelowAPathOfTheEndpoint) {
  HttpServer server([](const SeenRequest& r) {
    if (r.target.starts_with("/hf/api/models/org/name/revision/"))
      return Answer{.body = R"({"sha":")" + std::string(FakeHub::kCommit) + "\"}"};
    Answer answer{.body = R"([{"type":"file","path":"a","size":1,"oid":"x"}])"};
    if (r.target.find("cursor") == std::string::npos)
      answer.headers.emplace_back("Link", "</api/models/org/name/tree/x?cursor=1>; rel=\"next\"");
    else
      answer.body = "[]";
    return answer;
  });
  Fetcher fetcher(options_for(server.url("/hf/")));
  HubApi api(fetcher, *Url::parse(server.url("/hf/")));
  const auto tree = api.tree("org/name", "main", nullptr);
  ASSERT_TRUE(tree) << tree.error().message;
  EXPECT_EQ(tree->files.size(), 1u);
}

// T55, F20, F21
TEST(HubApi, RefusesAnswersThatAreNotTheHubs) {
  const struct {
    std::string_view name, revision, tree, link, message;
  } kCases[] = {
      {"login page", "<html>Please log in</html>", "", "", "is not the Hub's"},
      {"other JSON", R"({"ok":true})", "", "", "no commit is named"},
      {"array", "[]", "", "", "array where object belongs"},
      {"commit that is none", R"({"sha":"../../x"})", "", "", "no commit is named"},
      {"broken tree", "", "[{", "", "not valid JSON"},
      {"size 2^63", "", R"([{"type":"file","path":"a","size":9223372036854775808}])", "",
       "no possible size"},
      {"size -1", "", R"([{"type":"file","path":"a","size":-1}])", "", "no possible size"},
      {"no name", "", R"([{"type":"file","size":1}])", "", "without a name"},
      {"twice", "", R"([{"type":"file","path":"a","size":1},{"type":"file","path":"a","size":2}])",
       "", "listed twice"},
      {"endless pages", "", "[]", "</api/models/org/name/tree/x?a=1>; rel=\"next\"",
       "does not end"},
  };
  for (const auto& c : kCases) {
    HttpServer server([&](const SeenRequest& r) {
      if (r.target.find("/revision/") != std::string::npos)
        return Answer{.body = c.revision.empty()
                                  ? R"({"sha":")" + std::string(FakeHub::kCommit) + "\"}"
                                  : std::string(c.revision)};
      Answer answer{.body = std::string(c.tree)};
      if (!c.link.empty()) answer.headers.emplace_back("Link", c.link);
      return answer;
    });
    Fetcher fetcher(options_for(server.url()));
    HubApi api(fetcher, *Url::parse(server.url()));
    const auto tree = api.tree("org/name", "main", nullptr);
    ASSERT_FALSE(tree) << c.name;
    EXPECT_NE(tree.error().message.find(c.message), std::string::npos)
        << c.name << ": " << tree.error().message;
  }
}

TEST(HubApi, SearchesOverPages) {
  HttpServer server([](const SeenRequest& r) {
    Answer answer;
    if (r.target.find("cursor") == std::string::npos) {
      answer.body = R"([{"id":"a/b","downloads":5,"likes":2,"gated":"manual","tags":["safetensors"],
        "safetensors":{"parameters":{"BF16":7},"total":7},"siblings":[{"rfilename":"x.safetensors"}]}])";
      answer.headers.emplace_back("Link", "</api/models?cursor=x>; rel=\"next\"");
    } else {
      answer.body = R"([{"id":"c/d","gated":false},{"id":"e/f"}])";
    }
    return answer;
  });
  Fetcher fetcher(options_for(server.url()));
  HubApi api(fetcher, *Url::parse(server.url()));
  const auto hits = api.search({"tiny llama", "safetensors", "downloads", 2}, nullptr);
  ASSERT_TRUE(hits) << hits.error().message;
  ASSERT_EQ(hits->size(), 2u);
  EXPECT_EQ((*hits)[0].gated, "manual");
  EXPECT_EQ((*hits)[0].parameters, 7u);
  EXPECT_EQ((*hits)[1].id, "c/d");
  EXPECT_NE(server.log()[0].target.find("search=tiny%20llama"), std::string::npos);
  EXPECT_NE(server.log()[0].target.find("filter=safetensors"), std::string::npos);
}

TEST(HubReference, IsUnderstoodInEveryForm) {
  const Url endpoint = *Url::parse("https://hub.example");
  const struct {
    std::string_view text, repo, revision, path;
  } kCases[] = {
      {"org/name", "org/name", "main", ""},
      {"org/name@v1.0", "org/name", "v1.0", ""},
      {"hf://org/name", "org/name", "main", ""},
      {"hf://models/org/name@dev/sub/x.bin", "org/name", "dev", "sub/x.bin"},
      {"hf://org/name@refs/pr/3/x.bin", "org/name", "refs/pr/3", "x.bin"},
      {"hf://org/name/x.bin", "org/name", "main", "x.bin"},
      {"https://hub.example/org/name", "org/name", "main", ""},
      {"https://hub.example/org/name/tree/refs%2Fpr%2F1", "org/name", "refs/pr/1", ""},
      {"https://hub.example/org/name/blob/main/a%20b.bin?x=1", "org/name", "main", "a b.bin"},
  };
  for (const auto& c : kCases) {
    const auto reference = parse_hub_reference(c.text, endpoint);
    ASSERT_TRUE(reference) << c.text;
    EXPECT_EQ(reference->repo, c.repo) << c.text;
    EXPECT_EQ(reference->revision, c.revision) << c.text;
    EXPECT_EQ(reference->path, c.path) << c.text;
  }
  for (const std::string_view bad : {"", "/", "a/b/c", "../b", "a/..", "org/na me", "org/name@",
                                     "hf://", "hf://org/--x", "https://other.example/org/name",
                                     "https://hub.example/org/name/commits/main", "org/models--x"})
    EXPECT_FALSE(parse_hub_reference(bad, endpoint)) << bad;
}

}  // namespace
}  // namespace stkit
