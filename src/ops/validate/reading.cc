#include "ops/validate/reading.h"

#include <algorithm>

namespace stkit {

ReadingProgress::ReadingProgress(Progress* progress, std::string_view action,
                                 const std::vector<ProgressItem>& items)
    : progress_(progress) {
  if (progress_ != nullptr) progress_->begin(action, items);
}

ReadingProgress::~ReadingProgress() {
  if (progress_ != nullptr) progress_->end(ok_);
}

std::vector<ProgressItem> weight_items(const Context& context) {
  std::vector<ProgressItem> items;
  for (const uint32_t file : context.weights) {
    const ModelFile& weights = context.model.files()[file];
    const uint64_t header = std::min(weights.header_bytes, weights.size_bytes);
    items.push_back({weights.name, weights.size_bytes - header, 0, ItemState::Queued});
  }
  return items;
}

std::vector<uint32_t> items_by_file(const Context& context) {
  std::vector<uint32_t> items(context.model.files().size());
  for (uint32_t i = 0; i < context.weights.size(); ++i) items[context.weights[i]] = i;
  return items;
}

}  // namespace stkit
