// The head of an HTTP response: tolerant of what servers and proxies get wrong, bounded against
// what they could do on purpose.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace stkit {

class HttpHead {
 public:
  static constexpr size_t kMostFields = 256;
  static constexpr size_t kMostBytes = 128 * 1024;

  // Takes one line of a response's head, with or without its line end. A status line starts anew,
  // since 1xx answers come in front of the real one. False once there is more than a server has
  // any reason to send. Lines that are no header are left out.
  bool add_line(std::string_view line);

  int status() const { return status_; }  // 0 before a status line was seen
  bool is_success() const { return status_ >= 200 && status_ < 300; }
  // Of those that name another address: 301, 302, 303, 307, 308.
  bool is_redirect() const;

  // The value of the first header of that name (any case), without surrounding spaces.
  std::optional<std::string_view> find(std::string_view name) const;
  std::vector<std::string_view> find_all(std::string_view name) const;

 private:
  int status_ = 0;
  size_t bytes_ = 0;
  std::vector<std::pair<std::string, std::string>> fields_;  // names in lower case
};

struct ContentRange {
  uint64_t first = 0, last = 0;   // meaningless when unsatisfied
  std::optional<uint64_t> total;  // nothing for `*`
  bool unsatisfied = false;       // `bytes */N`, of a 416
};
std::optional<ContentRange> parse_content_range(std::string_view value);

// A whole number in decimal, and nothing else.
std::optional<uint64_t> parse_decimal(std::string_view text);

// "W/\"abc\"" and "\"abc\"" are abc.
std::string normalized_etag(std::string_view value);
bool is_weak_etag(std::string_view value);

// The target of the link whose rel is `relation`, in a Link header.
std::optional<std::string> find_link(std::string_view value, std::string_view relation);

// Retry-After: seconds or a date. Never negative.
std::optional<std::chrono::seconds> parse_retry_after(std::string_view value,
                                                      std::chrono::system_clock::time_point now);

// `"api";r=0;t=120` of the IETF draft that the Hub follows: what is left, and when it is refilled.
struct RateLimit {
  uint64_t remaining = 0;
  std::chrono::seconds reset{0};
};
std::optional<RateLimit> parse_rate_limit(std::string_view value);

}  // namespace stkit
