#include "hub/range_source.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "support/fake_hub.h"

namespace stkit {
namespace {

using namespace std::chrono_literals;
using Kind = RangeFailure::Kind;
using test::Answer;
using test::FakeHub;
using test::SeenRequest;

struct Fixture {
  FakeHub hub;
  std::string content = test::noise(100'000);
  std::unique_ptr<Fetcher> fetcher;
  std::unique_ptr<RangeSource> source;

  explicit Fixture(bool large = true) {
    hub.add("x.bin", content, large);
    FetchOptions options;
    options.endpoint = *Url::parse(hub.endpoint());
    options.token = "hf_secret";
    options.http.stall_time = 200ms;
    fetcher = std::make_unique<Fetcher>(options);
    const std::string url =
        hub.endpoint() + "/org/name/resolve/" + std::string(FakeHub::kCommit) + "/x.bin";
    source = std::make_unique<RangeSource>(
        *fetcher, *Url::parse(url),
        ExpectedFile{content.size(), large ? test::sha256_of(content) : "",
                     std::string(FakeHub::kCommit)});
  }

  std::expected<std::string, RangeFailure> get(uint64_t first, uint64_t size,
                                               uint64_t most_skipped = 0) {
    std::string bytes;
    const auto done =
        source->get({first, size},
                    [&](std::span<const std::byte> data) -> Result<bool> {
                      bytes.append(reinterpret_cast<const char*>(data.data()), data.size());
                      return true;
                    },
                    {.most_skipped = most_skipped});
    if (!done) return std::unexpected(done.error());
    return bytes;
  }
};

TEST(RangeSource, AsksTheHubOnceAndTheCdnForTheRest) {
  Fixture f;
  for (uint64_t at = 0; at < 5; ++at) {
    const auto bytes = f.get(at * 1000, 1000);
    ASSERT_TRUE(bytes) << bytes.error().fetch.error.message;
    EXPECT_EQ(*bytes, f.content.substr(at * 1000, 1000));
  }
  EXPECT_EQ(f.hub.hub().log().size(), 1u);
  EXPECT_EQ(f.hub.cdn().log().size(), 5u);
  for (const SeenRequest& request : f.hub.cdn().log())
    EXPECT_EQ(request.header("authorization"), "");
  EXPECT_EQ(f.source->etag(), test::sha256_of(f.content));
}

TEST(RangeSource, LetsManyThreadsShareOneAnswerOfTheHub) {
  Fixture f;
  std::atomic<int> right = 0;
  {
    std::vector<std::jthread> threads;
    for (uint64_t i = 0; i < 8; ++i)
      threads.emplace_back([&, i] {
        const auto bytes = f.get(i * 5000, 5000);
        if (bytes && *bytes == f.content.substr(i * 5000, 5000)) ++right;
      });
  }
  EXPECT_EQ(right, 8);
  EXPECT_EQ(f.hub.hub().log().size(), 1u);
}

// F12
TEST(RangeSource, AsksAgainWhenTheSignedAddressHasExpired) {
  Fixture f;
  std::atomic<int> refused = 0;
  ASSERT_TRUE(f.get(0, 10));
  f.hub.tamper_cdn([&](const SeenRequest&, Answer& answer) {
    if (refused++ == 0)
      answer = Answer{.status = 403, .body = "<Error>Request has expired</Error>"};
  });
  const auto expired = f.get(10, 10);
  ASSERT_FALSE(expired);
  EXPECT_TRUE(expired.error().fetch.transient);
  EXPECT_EQ(expired.error().fetch.reason, "url_expired");
  EXPECT_EQ(f.get(10, 10).value_or(""), f.content.substr(10, 10));
  EXPECT_EQ(f.hub.hub().log().size(), 2u);

  f.hub.tamper_cdn([](const SeenRequest&, Answer& answer) {
    answer = Answer{.status = 403, .body = "AccessDenied by policy"};
  });
  EXPECT_TRUE(f.get(20, 10).error().fetch.transient);  // it may have expired once more
  const auto forbidden = f.get(20, 10);
  ASSERT_FALSE(forbidden);
  EXPECT_FALSE(forbidden.error().fetch.transient);
  EXPECT_NE(forbidden.error().fetch.error.message.find("AccessDenied by policy"),
            std::string::npos);
  EXPECT_EQ(forbidden.error().fetch.error.path.find("secret"), std::string::npos);  // T56
}

// T50, F5, F6, F10, F11
TEST(RangeSource, TakesNoByteThatMayNotBelongHere) {
  const auto set = [](Answer& answer, std::string_view name, std::string value) {
    std::erase_if(answer.headers, [&](const auto& header) { return header.first == name; });
    answer.headers.emplace_back(name, std::move(value));
  };
  const struct {
    std::string_view name;
    std::function<void(Answer&)> edit;  // of the CDN's answer for bytes 1000-1999
    Kind kind;
    bool transient;
    std::string_view message;
  } kCases[] = {
      {"wrong start", [&](Answer& a) { set(a, "Content-Range", "bytes 0-999/100000"); },
       Kind::Fetch, true, "answers bytes 1000-1999 with 'bytes 0-999/100000'"},
      {"too long", [&](Answer& a) { set(a, "Content-Range", "bytes 1000-2000/100000"); },
       Kind::Fetch, true, "answers bytes"},
      {"wrong total", [&](Answer& a) { set(a, "Content-Range", "bytes 1000-1999/99999"); },
       Kind::Changed, false, "its size is 99,999, not 100,000"},
      {"no Content-Range", [&](Answer& a) { a.headers.clear(); }, Kind::Fetch, true, "with ''"},
      {"compressed", [&](Answer& a) { set(a, "Content-Encoding", "br"); }, Kind::Fetch, true, ""},
      {"200", [&](Answer& a) { a = Answer{.body = std::string(100'000, 'x')}; }, Kind::NoRanges,
       false, "parts of a file"},
      {"200 of another size", [&](Answer& a) { a = Answer{.body = "login page"}; }, Kind::Changed,
       false, "its size is 10"},
      {"416", [&](Answer& a) { a = Answer{.status = 416}; }, Kind::Fetch, false, "does not have"},
      {"416 of another size",
       [&](Answer& a) {
         a = Answer{.status = 416};
         set(a, "Content-Range", "bytes */500");
       },
       Kind::Changed, false, "its size is 500"},
      {"short body", [&](Answer& a) { a.cut_after = 500; }, Kind::Fetch, true, ""},
  };
  for (const auto& c : kCases) {
    Fixture f;
    f.hub.tamper_cdn([&](const SeenRequest&, Answer& answer) { c.edit(answer); });
    const auto bytes = f.get(1000, 1000);
    ASSERT_FALSE(bytes) << c.name;
    EXPECT_EQ(bytes.error().kind, c.kind) << c.name << ": " << bytes.error().fetch.error.message;
    EXPECT_EQ(bytes.error().fetch.transient, c.transient) << c.name;
    EXPECT_NE(bytes.error().fetch.error.message.find(c.message), std::string::npos)
        << c.name << ": " << bytes.error().fetch.error.message;
  }
}

// T50: an ETag that changes between two ranges of one file.
TEST(RangeSource, NoticesThatTheFileWasReplaced) {
  Fixture f;
  ASSERT_TRUE(f.get(0, 10));
  f.hub.tamper_cdn([](const SeenRequest&, Answer& answer) {
    for (auto& [name, value] : answer.headers)
      if (name == "ETag") value = "\"another\"";
  });
  const auto bytes = f.get(10, 10);
  ASSERT_FALSE(bytes);
  EXPECT_EQ(bytes.error().kind, Kind::Changed);
  f.source->reset();
  EXPECT_TRUE(f.get(10, 10));
}

// F10, F11, T57
TEST(RangeSource, HoldsTheHubToWhatTheTreeSaid) {
  for (const std::string_view header : {"X-Linked-ETag", "X-Linked-Size", "X-Repo-Commit"}) {
    Fixture f;
    f.hub.tamper_hub([&](const SeenRequest&, Answer& answer) {
      for (auto& [name, value] : answer.headers)
        if (name == header) value = header == "X-Linked-Size" ? "5" : "else";
    });
    const auto bytes = f.get(0, 10);
    ASSERT_FALSE(bytes) << header;
    EXPECT_EQ(bytes.error().kind, Kind::Changed) << header;
  }
}

// F5
TEST(RangeSource, SkipsALittleWhereAServerHasNoRanges) {
  Fixture f(false);
  f.hub.tamper_hub([&](const SeenRequest&, Answer& answer) {
    answer = Answer{.body = f.content};
    answer.headers.emplace_back("X-Repo-Commit", FakeHub::kCommit);
  });
  EXPECT_EQ(f.get(0, 100).value_or(""), f.content.substr(0, 100));
  EXPECT_EQ(f.get(500, 100, 1000).value_or(""), f.content.substr(500, 100));
  EXPECT_EQ(f.get(2000, 100, 1000).error().kind, Kind::NoRanges);
}

}  // namespace
}  // namespace stkit
