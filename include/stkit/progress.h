// How long work reports, is bounded and is stopped. The library never prints: it calls Progress.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "stkit/error.h"

namespace stkit {

enum class ItemState : uint8_t { Queued, Active, Verifying, Done, Failed, Cached };
std::string_view name(ItemState state);

struct ProgressItem {
  std::string name;
  uint64_t size_bytes = 0;
  uint64_t done_bytes = 0;  // already there when the work starts (a resumed file)
  ItemState state = ItemState::Queued;
};

// Receives what happens. All calls but begin and end may come from any thread, often; a renderer
// must be cheap and throttle by itself.
class Progress {
 public:
  virtual ~Progress() = default;

  // `action` is what is being done, for people: "reading weights".
  virtual void begin(std::string_view action, std::span<const ProgressItem> items) = 0;
  virtual void advance(uint32_t item, uint64_t bytes) = 0;
  virtual void set_state(uint32_t item, ItemState state) = 0;
  // `item` starts again from `done_bytes` (a download whose source changed).
  virtual void restart(uint32_t item, uint64_t done_bytes) = 0;
  virtual void end(bool ok) = 0;
};

// Set once, from any thread or from a signal handler; long work looks at it between blocks.
class CancelToken {
 public:
  void cancel(ErrorCode reason = ErrorCode::Interrupted) noexcept {
    reason_.store(static_cast<int>(reason), std::memory_order_relaxed);
  }
  bool cancelled() const noexcept { return reason_.load(std::memory_order_relaxed) >= 0; }
  // An error with the code that cancel() was given, once it has been.
  Result<void> check() const;

 private:
  std::atomic<int> reason_{-1};
};

struct RunOptions {
  unsigned threads = 0;           // 0: as many as this process may use (affinity, cgroup)
  uint64_t max_memory_bytes = 0;  // 0: each operation's own default
  Progress* progress = nullptr;
  const CancelToken* cancel = nullptr;
};

// The cores that this process may use: affinity mask and cgroup quota respected; at least 1.
unsigned usable_cores();

}  // namespace stkit
