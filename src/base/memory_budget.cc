#include "base/memory_budget.h"

#include <algorithm>
#include <chrono>

#include "base/check.h"

namespace stkit {
namespace {

// A token may be set from a signal handler, which cannot wake anybody: waiters look at it this
// often.
constexpr std::chrono::milliseconds kCancelPoll{20};

}  // namespace

bool MemoryBudget::fits(uint64_t bytes) const {
  return used_bytes_ == 0 || (bytes <= limit_bytes_ && used_bytes_ <= limit_bytes_ - bytes);
}

Result<MemoryBudget::Lease> MemoryBudget::take(uint64_t bytes, const CancelToken* cancel) {
  std::unique_lock lock(mutex_);
  const auto place = waiting_.insert(waiting_.end(), bytes);
  const auto my_turn = [&] { return waiting_.begin() == place && fits(bytes); };

  Result<void> go_on;
  while (!my_turn() && go_on) {
    if (cancel == nullptr) {
      changed_.wait(lock);
    } else {
      changed_.wait_for(lock, kCancelPoll);
      go_on = cancel->check();
    }
  }
  waiting_.erase(place);
  changed_.notify_all();  // the next in line may fit as well
  if (!go_on) return fail(std::move(go_on).error());

  used_bytes_ += bytes;
  peak_bytes_ = std::max(peak_bytes_, used_bytes_);
  return Lease(this, bytes);
}

uint64_t MemoryBudget::peak_bytes() const {
  const std::lock_guard lock(mutex_);
  return peak_bytes_;
}

void MemoryBudget::give_back(uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  STKIT_CHECK(used_bytes_ >= bytes);
  used_bytes_ -= bytes;
  changed_.notify_all();
}

}  // namespace stkit
