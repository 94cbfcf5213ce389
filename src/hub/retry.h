// When a failed request is worth another try, and how long to wait for it.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <string_view>

#include "hub/http_headers.h"
#include "stkit/error.h"
#include "stkit/progress.h"

namespace stkit {

// Time, so that tests need not wait.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual std::chrono::steady_clock::time_point now();
  virtual std::chrono::system_clock::time_point wall_time();
  // Ends early with the token's error when cancelled.
  virtual Result<void> sleep(std::chrono::milliseconds time, const CancelToken* cancel);

  static Clock& real();
};

struct RetryOptions {
  unsigned most_failures = 8;  // in a row; the last one is the result
  std::chrono::milliseconds first_wait{500};
  std::chrono::milliseconds longest_wait{30'000};
  // What a server may ask for: the Hub counts requests over windows of five minutes.
  std::chrono::milliseconds longest_server_wait{310'000};
};

// One failed try, for who shows progress.
struct RetryNotice {
  std::string target = {};  // what was asked for: an address without its query, a file's name
  std::string reason = {};  // "stall", "reset", "http_503", ...
  unsigned attempt = 1;     // that failed
  unsigned most_attempts = 1;
  std::chrono::milliseconds wait{0};
  std::optional<uint64_t> offset_bytes = {};
};

// 408, 425, 429 and the 5xx that mean a moment's trouble.
bool is_transient_status(int status);

// What the answer asks for: the RateLimit header when nothing is left of it, else Retry-After.
// A second is added: clocks differ, and asking too early costs another wait.
std::optional<std::chrono::milliseconds> wait_asked_for(const HttpHead& head,
                                                        std::chrono::system_clock::time_point now);

// Waits that double, with jitter so that many clients do not come back at once; and origins that
// asked everybody to wait. One for all requests of a process. Thread-safe.
class RetryPolicy {
 public:
  explicit RetryPolicy(RetryOptions options, Clock& clock);

  const RetryOptions& options() const { return options_; }
  Clock& clock() { return clock_; }

  // Before the next try, when `failures` (at least 1) came in a row.
  std::chrono::milliseconds backoff(unsigned failures);

  // Nobody asks `origin` before `wait` is over.
  void hold(const std::string& origin, std::chrono::milliseconds wait);
  Result<void> wait_for(const std::string& origin, const CancelToken* cancel);

 private:
  const RetryOptions options_;
  Clock& clock_;
  std::mutex mutex_;
  std::minstd_rand random_;
  std::map<std::string, std::chrono::steady_clock::time_point> held_until_;
};

}  // namespace stkit
