#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "stkit/progress.h"

namespace stkit {

// Reports one piece of work from its construction to its destruction, if anyone listens. Unless
// done() was called, it ends as failed.
class ProgressScope {
 public:
  ProgressScope(Progress* progress, std::string_view action, std::string item, uint64_t size_bytes)
      : progress_(progress) {
    if (progress_ == nullptr) return;
    const ProgressItem items[] = {{std::move(item), size_bytes, 0, ItemState::Active}};
    progress_->begin(action, items);
  }
  ProgressScope(const ProgressScope&) = delete;
  ProgressScope& operator=(const ProgressScope&) = delete;
  ~ProgressScope() {
    if (progress_ == nullptr) return;
    progress_->set_state(0, done_ ? ItemState::Done : ItemState::Failed);
    progress_->end(done_);
  }

  void advance(uint64_t bytes) {
    if (progress_ != nullptr) progress_->advance(0, bytes);
  }
  void done() { done_ = true; }

 private:
  Progress* progress_;
  bool done_ = false;
};

}  // namespace stkit
