#include "stkit/progress.h"

namespace stkit {

std::string_view name(ItemState state) {
  switch (state) {
    case ItemState::Queued: return "queued";
    case ItemState::Active: return "active";
    case ItemState::Verifying: return "verifying";
    case ItemState::Done: return "done";
    case ItemState::Failed: return "failed";
    case ItemState::Cached: return "cached";
  }
  return "?";
}

Result<void> CancelToken::check() const {
  const int reason = reason_.load(std::memory_order_relaxed);
  if (reason < 0) return {};
  const auto code = static_cast<ErrorCode>(reason);
  return fail(code, code == ErrorCode::Terminated ? "terminated" : "interrupted");
}

}  // namespace stkit
