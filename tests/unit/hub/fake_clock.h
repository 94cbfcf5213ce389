#pragma once

#include <mutex>
#include <vector>

#include "hub/retry.h"

namespace stkit::test {

// Sleeps by moving its own hands.
class FakeClock final : public Clock {
 public:
  std::chrono::steady_clock::time_point now() override {
    const std::lock_guard lock(mutex_);
    return now_;
  }
  std::chrono::system_clock::time_point wall_time() override {
    using namespace std::chrono;
    return sys_days(1994y / November / 6) + hours(8) +
           (now() - std::chrono::steady_clock::time_point());
  }
  Result<void> sleep(std::chrono::milliseconds time, const CancelToken* cancel) override {
    if (cancel != nullptr) STKIT_TRY(cancel->check());
    const std::lock_guard lock(mutex_);
    now_ += time;
    slept_.push_back(time);
    return {};
  }

  std::vector<std::chrono::milliseconds> slept() const {
    const std::lock_guard lock(mutex_);
    return slept_;
  }
  std::chrono::milliseconds total_slept() const {
    std::chrono::milliseconds total{0};
    for (const auto time : slept()) total += time;
    return total;
  }

 private:
  mutable std::mutex mutex_;
  std::chrono::steady_clock::time_point now_{};
  std::vector<std::chrono::milliseconds> slept_;
};

}  // namespace stkit::test
