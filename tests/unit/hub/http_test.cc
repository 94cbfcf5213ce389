#include "hub/http.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>

#include "support/http_server.h"

namespace stkit {
namespace {

using namespace std::chrono_literals;
using test::Answer;
using test::HttpServer;
using test::SeenRequest;

struct Outcome {
  std::expected<HttpHead, HttpFailure> result;
  std::string body;
  int heads = 0;
};

Outcome get(HttpClient& client, const HttpRequest& request, uint64_t stop_after = ~uint64_t{0},
            const CancelToken* cancel = nullptr) {
  Outcome outcome{HttpHead(), {}, 0};
  outcome.result = client.get(
      request,
      [&](const HttpHead&) -> Result<void> {
        ++outcome.heads;
        return {};
      },
      [&](std::span<const std::byte> data) -> Result<bool> {
        outcome.body.append(reinterpret_cast<const char*>(data.data()), data.size());
        return outcome.body.size() < stop_after;
      },
      cancel);
  return outcome;
}

HttpRequest request_to(const std::string& url) { return {.url = *Url::parse(url)}; }

TEST(HttpClient, GetsABodyAndKeepsTheConnection) {
  const std::string content(300'000, 'x');
  HttpServer server([&](const SeenRequest& r) { return test::serve_content(r, content, "tag"); });
  HttpClient client({.user_agent = "test/1"});
  for (int i = 0; i < 3; ++i) {
    const Outcome outcome = get(client, request_to(server.url("/a b")));
    ASSERT_TRUE(outcome.result) << outcome.result.error().error.message;
    EXPECT_EQ(outcome.body, content);
    EXPECT_EQ(outcome.result->status(), 200);
    EXPECT_EQ(outcome.heads, 1);
  }
  EXPECT_EQ(server.connections(), 1u);
  const auto log = server.log();
  EXPECT_EQ(log[0].target, "/a%20b");
  EXPECT_EQ(log[0].header("user-agent"), "test/1");
  EXPECT_EQ(log[0].header("accept-encoding"), "identity");
  EXPECT_EQ(log[0].header("authorization"), "");
}

TEST(HttpClient, SendsRangesAndTokens) {
  HttpServer server([](const SeenRequest& r) { return test::serve_content(r, "0123456789"); });
  HttpClient client({});
  HttpRequest request = request_to(server.url("/"));
  request.range = ByteRange{3, 4};
  request.bearer_token = "hf_x";
  const Outcome outcome = get(client, request);
  ASSERT_TRUE(outcome.result);
  EXPECT_EQ(outcome.body, "3456");
  EXPECT_EQ(outcome.result->find("Content-Range"), "bytes 3-6/10");
  EXPECT_EQ(server.log()[0].header("authorization"), "Bearer hf_x");
}

TEST(HttpClient, HandsOverTheHeadOfAnEmptyAnswer) {
  HttpServer server([](const SeenRequest&) { return Answer{.status = 404}; });
  HttpClient client({});
  const Outcome outcome = get(client, request_to(server.url()));
  ASSERT_TRUE(outcome.result);
  EXPECT_EQ(outcome.result->status(), 404);
  EXPECT_EQ(outcome.heads, 1);
}

TEST(HttpClient, ReadsChunksAndUnpacksWhatAProxyPacked) {
  // T50: gzip that nobody asked for, without a length.
  const unsigned char packed[] = {0x1f, 0x8b, 8, 0, 0,    0,    0,    0,    0, 3, 0xcb, 0x48, 0xcd,
                                  0xc9, 0xc9, 7, 0, 0x86, 0xa6, 0x10, 0x36, 5, 0, 0,    0};
  HttpServer server([&](const SeenRequest& r) {
    Answer answer{.chunked = true};
    if (r.target == "/gzip") {
      answer.headers.emplace_back("Content-Encoding", "gzip");
      answer.body.assign(reinterpret_cast<const char*>(packed), sizeof packed);
    } else {
      answer.body.assign(5000, 'c');
    }
    return answer;
  });
  HttpClient client({});
  EXPECT_EQ(get(client, request_to(server.url("/"))).body, std::string(5000, 'c'));
  EXPECT_EQ(get(client, request_to(server.url("/gzip"))).body, "hello");
}

TEST(HttpClient, StopsWhenEnoughWasSeen) {
  HttpServer server([](const SeenRequest&) { return Answer{.body = std::string(8 << 20, 'x')}; });
  HttpClient client({});
  const Outcome outcome = get(client, request_to(server.url()), 100);
  ASSERT_TRUE(outcome.result);
  EXPECT_LT(outcome.body.size(), 1u << 20);
}

TEST(HttpClient, TellsFaultsApart) {
  HttpServer server([](const SeenRequest& r) {
    Answer answer{.body = std::string(100'000, 'x')};
    if (r.target == "/short") answer.cut_after = 50'000;
    if (r.target == "/reset") answer.cut_after = 50'000, answer.end = Answer::End::Reset;
    if (r.target == "/chunked") answer.cut_after = 50'000, answer.chunked = true;
    if (r.target == "/stall") answer.cut_after = 50'000, answer.end = Answer::End::Hold;
    if (r.target == "/trickle") answer.cut_after = 50'000, answer.end = Answer::End::Trickle;
    if (r.target == "/silent") answer.raw = "H", answer.end = Answer::End::Hold;
    if (r.target == "/nothing") answer.raw = "\r\n";
    if (r.target == "/ssh") answer.raw = "SSH-2.0-OpenSSH_9.2\r\n";
    if (r.target == "/endless") {
      answer.raw = "HTTP/1.1 200 OK\r\n";
      for (int i = 0; i < 2000; ++i) answer.raw += "X-Header: " + std::string(100, 'y') + "\r\n";
    }
    return answer;
  });
  HttpOptions options;
  options.stall_time = 200ms;
  HttpClient client(options);
  const std::string closed = "http://127.0.0.1:" + std::to_string(test::closed_port()) + "/";
  const struct {
    std::string_view name;
    std::string url;
    HttpFault fault;
    bool transient;
  } kCases[] = {
      {"short body", server.url("/short"), HttpFault::Broken, true},  // T49
      {"reset", server.url("/reset"), HttpFault::Broken, true},
      {"cut chunks", server.url("/chunked"), HttpFault::Broken, true},
      {"stall", server.url("/stall"), HttpFault::Stalled, true},  // T51, F2
      {"no answer", server.url("/silent"), HttpFault::Stalled, true},
      {"not HTTP", server.url("/ssh"), HttpFault::Malformed, true},
      {"endless head", server.url("/endless"), HttpFault::Malformed, true},
      // T52, F14
      {"nobody listens", closed, HttpFault::Connect, true},
      {"no such host", "http://host.invalid/", HttpFault::Dns, true},
  };
  for (const auto& c : kCases) {
    const Outcome outcome = get(client, request_to(c.url));
    ASSERT_FALSE(outcome.result) << c.name;
    const HttpFailure& failure = outcome.result.error();
    EXPECT_EQ(failure.fault, c.fault) << c.name << ": " << failure.error.message;
    EXPECT_EQ(is_transient(failure.fault), c.transient) << c.name;
    EXPECT_EQ(failure.error.code, ErrorCode::Network) << c.name;
    EXPECT_FALSE(failure.error.message.empty()) << c.name;
  }
}

// F14: an API that stalls.
TEST(HttpClient, HasADeadlineWhereAskedFor) {
  HttpServer server(
      [](const SeenRequest&) { return Answer{.raw = "H", .end = Answer::End::Hold}; });
  HttpClient client({});
  HttpRequest request = request_to(server.url());
  request.deadline = 100ms;
  const Outcome outcome = get(client, request);
  ASSERT_FALSE(outcome.result);
  EXPECT_EQ(outcome.result.error().fault, HttpFault::Stalled);
}

TEST(HttpClient, PassesOnTheReceiversOwnError) {
  HttpServer server([](const SeenRequest&) { return Answer{.body = "body"}; });
  HttpClient client({});
  const auto no = [] { return fail(ErrorCode::NoSpace, "full"); };
  const auto in_body = client.get(
      request_to(server.url()), [](const HttpHead&) -> Result<void> { return {}; },
      [&](std::span<const std::byte>) -> Result<bool> { return no(); }, nullptr);
  ASSERT_FALSE(in_body);
  EXPECT_EQ(in_body.error().fault, HttpFault::Receiver);
  EXPECT_EQ(in_body.error().error.code, ErrorCode::NoSpace);
  const auto in_head = client.get(
      request_to(server.url()), [&](const HttpHead&) -> Result<void> { return no(); },
      [](std::span<const std::byte>) -> Result<bool> { return true; }, nullptr);
  ASSERT_FALSE(in_head);
  EXPECT_EQ(in_head.error().error.message, "full");
}

TEST(HttpClient, EndsSoonWhenCancelled) {
  HttpServer server([](const SeenRequest&) {
    return Answer{.body = std::string(1000, 'x'), .cut_after = 10, .end = Answer::End::Hold};
  });
  HttpClient client({});
  CancelToken cancel;
  const auto outcome = client.get(
      request_to(server.url()), [](const HttpHead&) -> Result<void> { return {}; },
      [&](std::span<const std::byte>) -> Result<bool> {
        cancel.cancel();
        return true;
      },
      &cancel);
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().error.code, ErrorCode::Interrupted);
}

TEST(HttpClient, UsesTheProxyThatItIsTold) {
  HttpServer proxy([](const SeenRequest& r) { return Answer{.body = r.target}; });
  HttpClient client({.proxy = {.http = proxy.url(), .https = "", .no_proxy = "direct.invalid"}});
  const Outcome outcome = get(client, request_to("http://elsewhere.invalid/x"));
  ASSERT_TRUE(outcome.result);
  EXPECT_EQ(outcome.body, "http://elsewhere.invalid/x");
  EXPECT_FALSE(get(client, request_to("http://direct.invalid/x")).result);
  EXPECT_FALSE(get(client, request_to("http://direct.invalid/x")).result) << "tried again";
}

// A tunnel through a proxy is asked for without the token, and a refusal is not asked for again.
TEST(HttpClient, TakesAProxysNoForAnAnswer) {
  HttpServer proxy([](const SeenRequest&) { return Answer{.status = 407}; });
  HttpClient client({.proxy = {.http = "", .https = proxy.url(), .no_proxy = ""}});
  HttpRequest request = request_to("https://hub.invalid/x");
  request.bearer_token = "hf_x";
  const Outcome outcome = get(client, request);
  ASSERT_FALSE(outcome.result);
  EXPECT_EQ(outcome.result.error().fault, HttpFault::Proxy);
  EXPECT_FALSE(is_transient(outcome.result.error().fault));
  EXPECT_NE(outcome.result.error().error.message.find("407"), std::string::npos)
      << outcome.result.error().error.message;
  ASSERT_EQ(proxy.log().size(), 1u);
  EXPECT_EQ(proxy.log()[0].method, "CONNECT");
  EXPECT_EQ(proxy.log()[0].header("authorization"), "");  // T56
}

TEST(HttpClient, ReadsNoEnvironment) {
  HttpServer proxy([](const SeenRequest&) { return Answer{.body = "proxy"}; });
  HttpServer server([](const SeenRequest&) { return Answer{.body = "server"}; });
  setenv("http_proxy", proxy.url().c_str(), 1);
  HttpClient client({});
  const Outcome outcome = get(client, request_to(server.url()));
  unsetenv("http_proxy");
  EXPECT_EQ(outcome.body, "server");
}

}  // namespace
}  // namespace stkit
