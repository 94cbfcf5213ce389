#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <mutex>

#include "hub/retry.h"

namespace stkit {

// Bytes a second, over all connections. Thread-safe.
class RateLimiter {
 public:
  // 0: no limit.
  RateLimiter(uint64_t bytes_per_second, Clock& clock)
      : bytes_per_second_(bytes_per_second), clock_(clock), free_at_(clock.now()) {}

  // Waits until `bytes` more may have come.
  Result<void> take(uint64_t bytes, const CancelToken* cancel) {
    if (bytes_per_second_ == 0) return {};
    std::chrono::steady_clock::duration wait{};
    {
      const std::lock_guard lock(mutex_);
      const auto now = clock_.now();
      // What was not used a while ago is not made up for: at most a tenth of a second.
      free_at_ = std::max(free_at_, now - std::chrono::milliseconds(100));
      free_at_ += std::chrono::nanoseconds(static_cast<int64_t>(
          static_cast<double>(bytes) * 1e9 / static_cast<double>(bytes_per_second_)));
      wait = free_at_ - now;
    }
    const auto milliseconds = std::chrono::ceil<std::chrono::milliseconds>(wait);
    return milliseconds.count() > 0 ? clock_.sleep(milliseconds, cancel) : Result<void>();
  }

 private:
  const uint64_t bytes_per_second_;
  Clock& clock_;
  std::mutex mutex_;
  std::chrono::steady_clock::time_point free_at_;
};

}  // namespace stkit
