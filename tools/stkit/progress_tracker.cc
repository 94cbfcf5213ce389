#include "progress_tracker.h"

#include <algorithm>
#include <cmath>

#include "stkit/text.h"

namespace stkit::cli {
namespace {

constexpr std::chrono::milliseconds kTick{50};

// Speeds are averaged over about this long, so that a stall shows soon and a hiccup does not.
constexpr double kSpeedWindowSeconds = 3;

double seconds(TimePoint::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

}  // namespace

Share share_of(const ProgressItem& item) {
  if (item.size_bytes > 0) return {std::min(item.done_bytes, item.size_bytes), item.size_bytes};
  const bool done = item.state == ItemState::Done || item.state == ItemState::Cached;
  return done ? Share{item.done_bytes, item.done_bytes} : Share{0, 1};
}

unsigned whole_percent(Share share) {
  const auto [done, total] = share;
  if (total == 0 || done >= total) return 100;
  // Beyond this, 100 times as many bytes do not fit 64 bits; a percent of the total is exact
  // enough.
  constexpr uint64_t kExact = UINT64_MAX / 100;
  return static_cast<unsigned>(done <= kExact ? done * 100 / total : done / (total / 100 + 1));
}

std::string left_text(const ProgressView& view) {
  if (view.done_bytes < view.total_bytes)
    return view.eta_seconds < 0 ? "" : format_seconds(view.eta_seconds) + " left";
  const bool verifying =
      std::ranges::find(view.items, ItemState::Verifying, &ProgressItem::state) != view.items.end();
  return verifying ? "verifying" : "";
}

void ProgressStyle::tell(std::string_view, const EventFields&) {}
void ProgressStyle::idle() {}

ProgressTracker::ProgressTracker(std::unique_ptr<ProgressStyle> style, Clock clock)
    : style_(std::move(style)), clock_(std::move(clock)) {
  const bool ticks = !clock_;
  if (ticks) clock_ = [] { return std::chrono::steady_clock::now(); };
  last_sign_ = clock_();
  if (ticks) ticker_ = std::thread([this] { run_ticker(); });
}

ProgressTracker::~ProgressTracker() { stop_ticker(); }

void ProgressTracker::begin(std::string_view action, std::span<const ProgressItem> items) {
  const std::lock_guard lock(mutex_);
  action_ = action;
  items_.assign(items.begin(), items.end());
  counters_ = std::make_unique<Counter[]>(items_.size());
  sampled_bytes_ = 0;
  for (size_t i = 0; i < items_.size(); ++i) {
    counters_[i].done_bytes = items_[i].done_bytes;
    counters_[i].state = items_[i].state;
    sampled_bytes_ += items_[i].done_bytes;
  }
  begun_ = last_sample_ = clock_();
  bytes_per_second_ = 0;
  active_ = true;
  painted_ = false;
  changed_ = true;
}

void ProgressTracker::advance(uint32_t item, uint64_t bytes) {
  counters_[item].done_bytes.fetch_add(bytes, std::memory_order_relaxed);
  changed_.store(true, std::memory_order_relaxed);
}

void ProgressTracker::set_state(uint32_t item, ItemState state) {
  counters_[item].state.store(state, std::memory_order_relaxed);
  changed_.store(true, std::memory_order_relaxed);
}

void ProgressTracker::restart(uint32_t item, uint64_t done_bytes) {
  counters_[item].done_bytes.store(done_bytes, std::memory_order_relaxed);
  changed_.store(true, std::memory_order_relaxed);
}

void ProgressTracker::end(bool ok) {
  const std::lock_guard lock(mutex_);
  if (!active_) return;
  active_ = false;
  style_->step_done(view(clock_()), ok, painted_);
}

void ProgressTracker::tell(std::string_view event, const EventFields& fields) {
  const std::lock_guard lock(mutex_);
  last_sign_ = clock_();
  style_->tell(event, fields);
}

void ProgressTracker::tick() {
  const std::lock_guard lock(mutex_);
  const TimePoint now = clock_();
  const ProgressStyle::Timing timing = style_->timing();
  if (!active_) {
    if (now - last_sign_ < timing.heartbeat) return;
    last_sign_ = now;
    return style_->idle();
  }
  const auto since = now - last_paint_;  // of an earlier step too: the interval holds across steps
  const bool due = (!painted_ && now - begun_ >= timing.first && since >= timing.interval) ||
                   (painted_ && changed_ && since >= timing.interval) ||
                   (painted_ && since >= timing.heartbeat);
  if (!due) return;
  changed_ = false;
  painted_ = true;
  last_paint_ = last_sign_ = now;
  style_->paint(view(now));
}

void ProgressTracker::finish(int exit_code, const EventFields& fields) {
  stop_ticker();
  const std::lock_guard lock(mutex_);
  if (std::exchange(finished_, true)) return;
  style_->finish(view(clock_()), exit_code, fields);
}

ProgressView ProgressTracker::view(TimePoint now) {
  ProgressView seen;
  seen.action = action_;
  seen.items = items_;
  bool sizes_known = true;
  for (size_t i = 0; i < seen.items.size(); ++i) {
    ProgressItem& item = seen.items[i];
    item.state = counters_[i].state;
    item.done_bytes = counters_[i].done_bytes;
    if (item.size_bytes > 0) item.done_bytes = std::min(item.done_bytes, item.size_bytes);
    seen.done_bytes += item.done_bytes;
    seen.total_bytes += std::max(item.size_bytes, item.done_bytes);
    const Share share = share_of(item);
    seen.share.done += share.done;
    seen.share.total += share.total;
    sizes_known &= item.size_bytes > 0 || share.done == share.total;
  }
  if (const double passed = seconds(now - last_sample_); passed > 0) {
    const double speed =
        std::max(0.0, static_cast<double>(seen.done_bytes) - static_cast<double>(sampled_bytes_)) /
        passed;
    // The first sample counts in full: there is nothing to average it with.
    const double weight = last_sample_ == begun_ ? 1 : 1 - std::exp(-passed / kSpeedWindowSeconds);
    bytes_per_second_ += weight * (speed - bytes_per_second_);
    sampled_bytes_ = seen.done_bytes;
    last_sample_ = now;
  }
  seen.percent = items_.empty() ? 0 : whole_percent(seen.share);  // nothing was begun
  seen.bytes_per_second = bytes_per_second_;
  seen.elapsed_seconds = seconds(now - begun_);
  if (sizes_known && bytes_per_second_ >= 1)
    seen.eta_seconds = static_cast<double>(seen.total_bytes - seen.done_bytes) / bytes_per_second_;
  return seen;
}

void ProgressTracker::run_ticker() {
  std::unique_lock lock(mutex_);
  while (!stop_.wait_for(lock, kTick, [this] { return stopping_; })) {
    lock.unlock();
    tick();
    lock.lock();
  }
}

void ProgressTracker::stop_ticker() {
  if (!ticker_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  stop_.notify_all();
  ticker_.join();
}

}  // namespace stkit::cli
