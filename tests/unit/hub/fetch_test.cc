#include "hub/fetch.h"

#include <gtest/gtest.h>

#include <atomic>
#include <vector>

#include "fake_clock.h"
#include "support/http_server.h"

namespace stkit {
namespace {

using namespace std::chrono_literals;
using test::Answer;
using test::FakeClock;
using test::HttpServer;
using test::SeenRequest;

constexpr std::string_view kToken = "hf_TopSecret";

FetchOptions options_for(const HttpServer& hub) {
  FetchOptions options;
  options.http.stall_time = 200ms;
  options.endpoint = *Url::parse(hub.url());
  options.token = kToken;
  return options;
}

Result<Fetcher::Text> get(Fetcher& fetcher, const std::string& url, uint64_t most = 1 << 20) {
  return fetcher.get_text({.url = *Url::parse(url)}, most, nullptr);
}

Answer redirect(int status, std::string location) {
  Answer answer{.status = status};
  answer.headers.emplace_back("Location", std::move(location));
  return answer;
}

// T53, T56
TEST(Fetcher, SendsTheTokenToTheEndpointAlone) {
  HttpServer cdn([](const SeenRequest&) { return Answer{.body = "content"}; }, "localhost");
  HttpServer other_port([&](const SeenRequest&) { return redirect(302, cdn.url("/c?sig=1")); });
  HttpServer hub([&](const SeenRequest& r) {
    if (r.target == "/a") return redirect(307, "/b?x=1");
    return redirect(302, other_port.url("/o"));
  });
  Fetcher fetcher(options_for(hub));
  const auto text = get(fetcher, hub.url("/a"));
  ASSERT_TRUE(text) << text.error().message;
  EXPECT_EQ(text->body, "content");
  EXPECT_EQ(text->reply.url.text(), cdn.url("/c?sig=1"));
  ASSERT_EQ(hub.log().size(), 2u);
  EXPECT_EQ(hub.log()[1].target, "/b?x=1");
  for (const SeenRequest& request : hub.log())
    EXPECT_EQ(request.header("authorization"), "Bearer hf_TopSecret");
  EXPECT_EQ(other_port.log().at(0).header("authorization"), "");
  EXPECT_EQ(cdn.log().at(0).header("authorization"), "");
}

// T53
TEST(Fetcher, RefusesRedirectsThatLeadAstray) {
  std::atomic<int> count = 0;
  HttpServer hub([&](const SeenRequest& r) {
    if (r.target == "/file") return redirect(302, "file:///etc/passwd");
    if (r.target == "/nowhere") return Answer{.status = 302};
    return redirect(302, "/loop" + std::to_string(++count));
  });
  FakeClock clock;
  Fetcher fetcher(options_for(hub), clock);
  const struct {
    std::string_view target, message;
  } kCases[] = {{"/file", "neither http:// nor https://"},
                {"/nowhere", "without saying where"},
                {"/loop", "more than 10 redirects"}};
  for (const auto& c : kCases) {
    const auto text = get(fetcher, hub.url(c.target));
    ASSERT_FALSE(text) << c.target;
    EXPECT_EQ(text.error().code, ErrorCode::Network);
    EXPECT_NE(text.error().message.find(c.message), std::string::npos) << text.error().message;
  }
  EXPECT_EQ(count, 11);
  EXPECT_TRUE(clock.slept().empty());
}

// T52
TEST(Fetcher, TriesAgainAndWaitsLongerEachTime) {
  std::atomic<int> count = 0;
  constexpr int kStatuses[] = {500, 502, 503, 504, 408, 429};
  HttpServer hub([&](const SeenRequest&) {
    const size_t i = static_cast<size_t>(count++);
    return i < std::size(kStatuses) ? Answer{.status = kStatuses[i]} : Answer{.body = "at last"};
  });
  FakeClock clock;
  std::vector<RetryNotice> notices;
  FetchOptions options = options_for(hub);
  options.on_retry = [&](const RetryNotice& notice) { notices.push_back(notice); };
  Fetcher fetcher(options, clock);
  const auto text = get(fetcher, hub.url("/x?secret=1"));
  ASSERT_TRUE(text) << text.error().message;
  EXPECT_EQ(text->body, "at last");
  ASSERT_EQ(notices.size(), 6u);
  EXPECT_EQ(notices[0].target, hub.url("/x"));
  const auto slept = clock.slept();
  ASSERT_EQ(slept.size(), 6u);
  for (size_t i = 0; i < slept.size(); ++i) {
    const auto longest = std::min<std::chrono::milliseconds>(500ms * (1 << i), 30s);
    EXPECT_GE(slept[i], longest / 2);
    EXPECT_LE(slept[i], longest);
  }
}

// T52
TEST(Fetcher, WaitsAsLongAsTheServerAsks) {
  const struct {
    std::string_view name, header, value;
    std::chrono::milliseconds least, most;
  } kCases[] = {
      {"seconds", "Retry-After", "3", 3s, 5s},
      {"date", "Retry-After", "Sun, 06 Nov 1994 08:00:10 GMT", 9s, 12s},
      {"window", "RateLimit", "\"api\";r=0;t=120", 120s, 122s},
  };
  for (const auto& c : kCases) {
    std::atomic<int> count = 0;
    HttpServer hub([&](const SeenRequest&) {
      Answer answer{.status = count++ == 0 ? 429 : 200, .body = "x"};
      answer.headers.emplace_back(c.header, c.value);
      return answer;
    });
    FakeClock clock;
    Fetcher fetcher(options_for(hub), clock);
    ASSERT_TRUE(get(fetcher, hub.url())) << c.name;
    EXPECT_GE(clock.total_slept(), c.least) << c.name;
    EXPECT_LE(clock.total_slept(), c.most) << c.name;
  }
}

// T52
TEST(Fetcher, GivesUpInTheEnd) {
  std::atomic<int> count = 0;
  HttpServer hub([&](const SeenRequest& r) {
    ++count;
    Answer answer{.status = 503};
    if (r.target == "/patience") answer.headers.emplace_back("Retry-After", "86400");
    return answer;
  });
  FakeClock clock;
  Fetcher fetcher(options_for(hub), clock);
  const auto text = get(fetcher, hub.url("/x"));
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().code, ErrorCode::Network);
  EXPECT_NE(text.error().message.find("gave up after 8 tries"), std::string::npos);
  EXPECT_EQ(count, 8);
  const auto patience = get(fetcher, hub.url("/patience"));
  ASSERT_FALSE(patience);
  EXPECT_NE(patience.error().message.find("asks to wait"), std::string::npos);
  EXPECT_EQ(count, 9);
}

// F15 of the fault matrix; T65.
TEST(Fetcher, TurnsStatusesIntoErrorsThatHelp) {
  const struct {
    std::string_view name;
    int status;
    std::string_view code;
    ErrorCode error;
    std::string_view message, hint;
    bool with_token = true;
  } kCases[] = {
      {"gated", 403, "GatedRepo", ErrorCode::AccessDenied, "gated", "accept its terms at"},
      {"no repository", 404, "RepoNotFound", ErrorCode::NotFound, "no such repository", "check"},
      {"anonymous", 401, "RepoNotFound", ErrorCode::AccessDenied, "no token was sent", "HF_TOKEN",
       false},
      {"revision", 404, "RevisionNotFound", ErrorCode::NotFound, "no such revision", "--revision"},
      {"entry", 404, "EntryNotFound", ErrorCode::NotFound, "no such file", ""},
      {"bad token", 401, "", ErrorCode::AccessDenied, "token was rejected", ""},
      {"forbidden", 403, "", ErrorCode::AccessDenied, "forbidden", ""},
      {"missing", 404, "", ErrorCode::NotFound, "not found", ""},
      {"teapot", 418, "", ErrorCode::Network, "HTTP status 418", ""},
  };
  for (const auto& c : kCases) {
    std::atomic<int> count = 0;
    HttpServer hub([&](const SeenRequest&) {
      ++count;
      Answer answer{.status = c.status, .body = R"({"error":"said\u001b the server"})"};
      if (!c.code.empty()) answer.headers.emplace_back("X-Error-Code", c.code);
      answer.headers.emplace_back("X-Request-Id", "Root=1-abc");
      return answer;
    });
    FetchOptions options = options_for(hub);
    if (!c.with_token) options.token.clear();
    Fetcher fetcher(options);
    const auto text = get(fetcher, hub.url("/org/name/resolve/main/x"));
    ASSERT_FALSE(text) << c.name;
    const Error& error = text.error();
    EXPECT_EQ(error.code, c.error) << c.name;
    EXPECT_NE(error.message.find(c.message), std::string::npos) << c.name << ": " << error.message;
    EXPECT_NE(error.hint.find(c.hint), std::string::npos) << c.name << ": " << error.hint;
    EXPECT_NE(error.message.find("said\\x1b the server"), std::string::npos) << error.message;
    EXPECT_NE(error.message.find("Root=1-abc"), std::string::npos) << c.name;
    EXPECT_EQ(count, 1) << c.name << ": no second try";
    EXPECT_EQ((error.message + error.hint + error.path).find(kToken), std::string::npos);  // T56
  }
}

TEST(Fetcher, BoundsWhatItKeepsOfABody) {
  HttpServer hub([](const SeenRequest&) { return Answer{.body = std::string(2000, 'x')}; });
  Fetcher fetcher(options_for(hub));
  EXPECT_TRUE(get(fetcher, hub.url(), 2000));
  const auto text = get(fetcher, hub.url(), 1999);
  ASSERT_FALSE(text);
  EXPECT_NE(text.error().message.find("larger than 1,999 bytes"), std::string::npos);
}

TEST(RetryPolicy, HoldsAnOriginForEverybody) {
  FakeClock clock;
  RetryPolicy policy({}, clock);
  policy.hold("http://a", 10s);
  policy.hold("http://a", 5s);
  ASSERT_TRUE(policy.wait_for("http://b", nullptr));
  EXPECT_TRUE(clock.slept().empty());
  ASSERT_TRUE(policy.wait_for("http://a", nullptr));
  ASSERT_TRUE(policy.wait_for("http://a", nullptr));
  EXPECT_EQ(clock.total_slept(), 10s);
}

}  // namespace
}  // namespace stkit
