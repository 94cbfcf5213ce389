#include "hub/http_headers.h"

#include <gtest/gtest.h>

namespace stkit {
namespace {

using std::chrono::seconds;

TEST(HttpHead, TakesLinesAsServersSendThem) {
  HttpHead head;
  EXPECT_TRUE(head.add_line("HTTP/1.1 100 Continue\r\n"));
  EXPECT_TRUE(head.add_line("X-Old: 1\r\n"));
  EXPECT_TRUE(head.add_line("HTTP/1.1 206 Partial Content\r\n"));
  EXPECT_TRUE(head.add_line("x-REPO-commit:\t abc \r\n"));
  EXPECT_TRUE(head.add_line("Link: <a>; rel=next\n"));
  EXPECT_TRUE(head.add_line("link: <b>; rel=prev"));
  EXPECT_TRUE(head.add_line("no header"));
  EXPECT_TRUE(head.add_line(": nameless"));
  EXPECT_TRUE(head.add_line("\r\n"));
  EXPECT_EQ(head.status(), 206);
  EXPECT_EQ(head.find("X-Repo-Commit"), "abc");
  EXPECT_FALSE(head.find("x-old"));
  EXPECT_EQ(head.find_all("Link").size(), 2u);
  EXPECT_EQ(head.find("missing"), std::nullopt);
}

TEST(HttpHead, BoundsWhatAServerMaySend) {
  HttpHead many;
  many.add_line("HTTP/1.1 200 OK");
  bool taken = true;
  for (int i = 0; i < 1000; ++i) taken = taken && many.add_line("a: b");
  EXPECT_FALSE(taken);
  HttpHead large;
  EXPECT_FALSE(large.add_line("a: " + std::string(200'000, 'x')));
}

TEST(HttpHead, KnowsStatusesThatMakeSense) {
  for (const auto& [line, status] : {std::pair{"HTTP/1.0 404 Not Found", 404},
                                     {"HTTP/2 200", 200},
                                     {"HTTP/1.1 abc", 0},
                                     {"HTTP/1.1", 0},
                                     {"HTTP/1.1  503", 503}}) {
    HttpHead head;
    head.add_line(line);
    EXPECT_EQ(head.status(), status) << line;
  }
  HttpHead redirect;
  redirect.add_line("HTTP/1.1 304 Not Modified");
  EXPECT_FALSE(redirect.is_redirect());
  redirect.add_line("HTTP/1.1 307 Temporary Redirect");
  EXPECT_TRUE(redirect.is_redirect());
}

TEST(ContentRange, IsTakenOnlyWhenItMakesSense) {
  const auto whole = parse_content_range("bytes 0-99/100");
  ASSERT_TRUE(whole);
  EXPECT_EQ(whole->last, 99u);
  EXPECT_EQ(whole->total, 100u);
  EXPECT_FALSE(parse_content_range("bytes 5-9/*")->total);
  EXPECT_TRUE(parse_content_range("bytes */100")->unsatisfied);
  for (const std::string_view bad :
       {"", "bytes", "bytes 1-0/5", "bytes 0-5/5", "bytes -5/10", "bytes 0-/10", "items 0-1/2",
        "bytes 0-1", "bytes 0-1/", "bytes 0-1/x", "bytes 0-18446744073709551616/*", "bytes 0 1/2"})
    EXPECT_FALSE(parse_content_range(bad)) << bad;
}

TEST(Etag, LosesItsQuotes) {
  EXPECT_EQ(normalized_etag("\"abc\""), "abc");
  EXPECT_EQ(normalized_etag(" W/\"abc\" "), "abc");
  EXPECT_EQ(normalized_etag("abc"), "abc");
  EXPECT_EQ(normalized_etag("\""), "\"");
  EXPECT_TRUE(is_weak_etag("W/\"abc\""));
}

TEST(Link, IsFoundByItsRelation) {
  EXPECT_EQ(find_link("<https://h/api?cursor=a,b&x=1>; rel=\"next\"", "next"),
            "https://h/api?cursor=a,b&x=1");
  EXPECT_EQ(find_link("<a>; rel=\"xet-auth\", <b>; title=\"x, y\"; REL=Next", "next"), "b");
  EXPECT_FALSE(find_link("<a>; rel=\"prev\"", "next"));
  EXPECT_FALSE(find_link("<a; rel=next", "next"));
  EXPECT_FALSE(find_link(">a<", "next"));
  EXPECT_FALSE(find_link("", "next"));
}

// T52
TEST(RetryAfter, IsSecondsOrADate) {
  using namespace std::chrono;
  const auto now = sys_days(1994y / November / 6) + 8h + 49min + 30s;
  EXPECT_EQ(parse_retry_after("3", now), seconds(3));
  EXPECT_EQ(parse_retry_after("Sun, 06 Nov 1994 08:49:37 GMT", now), seconds(7));
  EXPECT_EQ(parse_retry_after("Sun, 06 Nov 1994 08:49:00 GMT", now), seconds(0));
  EXPECT_LE(*parse_retry_after("18446744073709551615", now), seconds(366 * 24 * 3600));
  for (const std::string_view bad :
       {"", "-1", "soon", "Sun, 06 Nov 1994 25:49:37 GMT", "Sun, 31 Feb 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 CET"})
    EXPECT_FALSE(parse_retry_after(bad, now)) << bad;
}

// T52
TEST(RateLimitHeader, SaysWhatIsLeftAndWhen) {
  const auto limit = parse_rate_limit("\"resolvers\";r=0;t=120");
  ASSERT_TRUE(limit);
  EXPECT_EQ(limit->remaining, 0u);
  EXPECT_EQ(limit->reset, seconds(120));
  EXPECT_FALSE(parse_rate_limit("\"api\";r=5"));
  EXPECT_FALSE(parse_rate_limit("\"api;r=5;t=1"));
  EXPECT_FALSE(parse_rate_limit(""));
}

}  // namespace
}  // namespace stkit
