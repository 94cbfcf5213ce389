#include "hub/retry.h"

#include <algorithm>
#include <thread>

namespace stkit {
namespace {

using std::chrono::milliseconds;
using namespace std::chrono_literals;

// How long a sleep may take to notice that it was cancelled.
constexpr milliseconds kNap = 50ms;

}  // namespace

std::chrono::steady_clock::time_point Clock::now() { return std::chrono::steady_clock::now(); }
std::chrono::system_clock::time_point Clock::wall_time() {
  return std::chrono::system_clock::now();
}

Result<void> Clock::sleep(milliseconds time, const CancelToken* cancel) {
  const auto end = std::chrono::steady_clock::now() + time;
  while (true) {
    if (cancel != nullptr) STKIT_TRY(cancel->check());
    const auto left = end - std::chrono::steady_clock::now();
    if (left <= 0ms) return {};
    std::this_thread::sleep_for(std::min<std::chrono::steady_clock::duration>(left, kNap));
  }
}

Clock& Clock::real() {
  static Clock clock;
  return clock;
}

bool is_transient_status(int status) {
  switch (status) {
    case 408:
    case 425:
    case 429:
    case 500:
    case 502:
    case 503:
    case 504: return true;
    default: return false;
  }
}

std::optional<milliseconds> wait_asked_for(const HttpHead& head,
                                           std::chrono::system_clock::time_point now) {
  if (const auto value = head.find("RateLimit"))
    if (const auto limit = parse_rate_limit(*value); limit && limit->remaining == 0)
      return limit->reset + 1s;
  if (const auto value = head.find("Retry-After"))
    if (const auto wait = parse_retry_after(*value, now)) return *wait + 1s;
  return std::nullopt;
}

RetryPolicy::RetryPolicy(RetryOptions options, Clock& clock)
    : options_(options), clock_(clock), random_(std::random_device{}()) {}

milliseconds RetryPolicy::backoff(unsigned failures) {
  const auto doubled = options_.first_wait * (int64_t{1} << std::min(failures - 1, 20u));
  const auto longest = std::min<milliseconds>(doubled, options_.longest_wait);
  const std::lock_guard lock(mutex_);
  return milliseconds(
      std::uniform_int_distribution<int64_t>(longest.count() / 2, longest.count())(random_));
}

void RetryPolicy::hold(const std::string& origin, milliseconds wait) {
  const auto until = clock_.now() + wait;
  const std::lock_guard lock(mutex_);
  auto& held = held_until_[origin];
  held = std::max(held, until);
}

Result<void> RetryPolicy::wait_for(const std::string& origin, const CancelToken* cancel) {
  while (true) {
    milliseconds wait{0};
    {
      const std::lock_guard lock(mutex_);
      const auto held = held_until_.find(origin);
      if (held == held_until_.end()) return {};
      wait = std::chrono::ceil<milliseconds>(held->second - clock_.now());
      if (wait <= 0ms) {
        held_until_.erase(held);
        return {};
      }
    }
    STKIT_TRY(clock_.sleep(wait, cancel));
  }
}

}  // namespace stkit
