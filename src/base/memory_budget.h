// One bound on the working memory of an operation, shared by its threads.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <list>
#include <mutex>

#include "stkit/progress.h"

namespace stkit {

// Requests are served in the order in which they came, each all at once, so nothing starves and no
// two partial holders wait for each other. A request above the whole budget runs alone.
class MemoryBudget {
 public:
  explicit MemoryBudget(uint64_t limit_bytes) : limit_bytes_(limit_bytes) {}

  class [[nodiscard]] Lease {
   public:
    Lease(Lease&& other) noexcept : budget_(other.budget_), bytes_(other.bytes_) {
      other.budget_ = nullptr;
    }
    Lease& operator=(Lease&&) = delete;
    ~Lease() {
      if (budget_ != nullptr) budget_->give_back(bytes_);
    }

   private:
    friend class MemoryBudget;
    Lease(MemoryBudget* budget, uint64_t bytes) : budget_(budget), bytes_(bytes) {}
    MemoryBudget* budget_;
    uint64_t bytes_;
  };

  // Waits for its turn; gives up with the token's error when cancelled. The lease must not outlive
  // the budget.
  Result<Lease> take(uint64_t bytes, const CancelToken* cancel = nullptr);

  uint64_t limit_bytes() const { return limit_bytes_; }
  uint64_t peak_bytes() const;

 private:
  void give_back(uint64_t bytes);

  bool fits(uint64_t bytes) const;

  const uint64_t limit_bytes_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t used_bytes_ = 0;
  uint64_t peak_bytes_ = 0;
  std::list<uint64_t> waiting_;  // sizes, in the order of arrival; only the first is served
};

}  // namespace stkit
