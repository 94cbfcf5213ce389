#include "hub/url.h"

#include <gtest/gtest.h>

namespace stkit {
namespace {

Url parsed(std::string_view text) {
  auto url = Url::parse(text);
  EXPECT_TRUE(url) << text << ": " << url.error().message;
  return url.value_or(Url{});
}

TEST(Url, TakesItsPartsApart) {
  const Url url = parsed("HTTPS://Hub.Example:8443/org/name?x=1#part");
  EXPECT_EQ(url.scheme, "https");
  EXPECT_EQ(url.host, "hub.example");
  EXPECT_EQ(url.port, 8443);
  EXPECT_EQ(url.path, "/org/name");
  EXPECT_EQ(url.query, "?x=1");
  EXPECT_EQ(url.text(), "https://hub.example:8443/org/name?x=1");
  EXPECT_EQ(url.label(), "https://hub.example:8443/org/name");
  EXPECT_EQ(parsed("http://a").text(), "http://a/");
  EXPECT_EQ(parsed("http://a:80?q").text(), "http://a/?q");
  EXPECT_EQ(parsed("https://[::1]:9/x").text(), "https://[::1]:9/x");
}

TEST(Url, EncodesWhatMayNotStandInAnAddress) {
  EXPECT_EQ(parsed("http://a/b c\"\xC3\xA4%41%zz?q=\x01").text(),
            "http://a/b%20c%22%C3%A4%41%25zz?q=%01");
}

TEST(Url, RefusesWithAReason) {
  const struct {
    std::string_view name, text, message;
  } kCases[] = {
      {"no scheme", "hub.example/x", "has no scheme"},
      {"file", "file:///etc/passwd", "neither http:// nor https://"},  // T53
      {"ftp", "ftp://a/b", "neither http:// nor https://"},
      {"password", "https://user:secret@host/x", "user name or password"},
      {"no host", "https:///x", "names no valid host"},
      {"host with a space", "https://a b/x", "names no valid host"},
      {"line feed", "https://a\r\nHost: b/x", "names no valid host"},
      {"port 0", "https://a:0/x", "invalid port"},
      {"port too large", "https://a:65536/x", "invalid port"},
      {"empty port", "https://a:/x", "invalid port"},
  };
  for (const auto& c : kCases) {
    const auto url = Url::parse(c.text);
    ASSERT_FALSE(url) << c.name;
    EXPECT_NE(url.error().message.find(c.message), std::string::npos)
        << c.name << ": " << url.error().message;
    EXPECT_EQ(url.error().message.find("secret"), std::string::npos) << c.name;  // T56
  }
  EXPECT_FALSE(Url::parse("https://a/" + std::string(40'000, 'x')));
}

TEST(Url, JoinsWhatALocationSays) {
  const Url base = parsed("https://hub.example/org/name/resolve/main/a.bin?x=1");
  const struct {
    std::string_view reference, joined;
  } kCases[] = {
      {"https://cdn.example/blob?sig=1", "https://cdn.example/blob?sig=1"},
      {"//cdn.example/blob", "https://cdn.example/blob"},
      {"/api/resolve-cache/a.bin?etag=%22b%22",
       "https://hub.example/api/resolve-cache/a.bin?etag=%22b%22"},
      {"b.bin", "https://hub.example/org/name/resolve/main/b.bin"},
      {"../dev/a.bin", "https://hub.example/org/name/resolve/dev/a.bin"},
      {"../../../../../x", "https://hub.example/x"},
      {"?y=2", "https://hub.example/org/name/resolve/main/a.bin?y=2"},
      {"", "https://hub.example/org/name/resolve/main/a.bin?x=1"},
      {"/a:b", "https://hub.example/a:b"},
      {".", "https://hub.example/org/name/resolve/main/"},
  };
  for (const auto& c : kCases) {
    const auto joined = base.join(c.reference);
    ASSERT_TRUE(joined) << c.reference;
    EXPECT_EQ(joined->text(), c.joined) << c.reference;
  }
  EXPECT_FALSE(base.join("file:///etc/passwd"));  // T53
  EXPECT_FALSE(base.join("javascript:x"));
}

TEST(Url, TellsOriginsApart) {
  const Url hub = parsed("https://hub.example/x");
  EXPECT_TRUE(hub.same_origin(parsed("https://HUB.example:443/y")));
  EXPECT_FALSE(hub.same_origin(parsed("http://hub.example/x")));
  EXPECT_FALSE(hub.same_origin(parsed("https://hub.example:444/x")));
  EXPECT_FALSE(hub.same_origin(parsed("https://cdn.hub.example/x")));
}

TEST(PercentEncoding, RoundTrips) {
  EXPECT_EQ(percent_encode("refs/pr/1"), "refs%2Fpr%2F1");
  EXPECT_EQ(percent_encode("a b/#\xC3\xA4+.txt", "/"), "a%20b/%23%C3%A4%2B.txt");
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  EXPECT_EQ(percent_decode(percent_encode(all)), all);
  EXPECT_EQ(percent_decode("%4"), "%4");
  EXPECT_EQ(percent_decode("%zz%41"), "%zzA");
}

}  // namespace
}  // namespace stkit
