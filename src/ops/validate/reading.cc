#include "ops/validate/reading.h"

#include <algorithm>

namespace stkit {

ReadingProgress::ReadingProgress(Progress* progress, std::string_view action,
                                 const std::vector<ProgressItem>& items)
    : progress_(progress) {
  if (progress_ == nullptr) return;
  items_ = std::make_unique<Item[]>(items.size());
  progress_->begin(action, items);
  for (uint32_t i = 0; i < items.size(); ++i) {
    items_[i].size_bytes = items[i].size_bytes;
    if (items[i].size_bytes == 0 && items[i].state == ItemState::Queued)
      progress_->set_state(i, ItemState::Done);
  }
}

void ReadingProgress::advance(uint32_t item, uint64_t bytes) {
  if (progress_ == nullptr || bytes == 0) return;
  const uint64_t size = items_[item].size_bytes;
  const uint64_t before = items_[item].done_bytes.fetch_add(bytes, std::memory_order_relaxed);
  if (before == 0) progress_->set_state(item, ItemState::Active);
  progress_->advance(item, bytes);
  if (before < size && before + bytes >= size) progress_->set_state(item, ItemState::Done);
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
