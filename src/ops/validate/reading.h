// Progress of work that reads files.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "ops/validate/context.h"

namespace stkit {

// Items are queued, active from their first byte on, and done at their last. Ends as failed unless
// done() was called.
class ReadingProgress {
 public:
  ReadingProgress(Progress* progress, std::string_view action,
                  const std::vector<ProgressItem>& items);
  ReadingProgress(const ReadingProgress&) = delete;
  ReadingProgress& operator=(const ReadingProgress&) = delete;
  ~ReadingProgress();

  void advance(uint32_t item, uint64_t bytes);  // thread-safe
  void done() { ok_ = true; }

 private:
  struct Item {
    uint64_t size_bytes = 0;
    std::atomic<uint64_t> done_bytes{0};
  };

  Progress* progress_;
  std::unique_ptr<Item[]> items_;
  bool ok_ = false;
};

// One item for each of context.weights.
std::vector<ProgressItem> weight_items(const Context& context);
// By index of model.files(): the item of weight_items.
std::vector<uint32_t> items_by_file(const Context& context);

}  // namespace stkit
