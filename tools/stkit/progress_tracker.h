// Progress, shown: one tracker counts and keeps time, a style paints what it is told to.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "stkit/json.h"
#include "stkit/progress.h"

namespace stkit::cli {

class Console;

// Writes the fields of an event's object.
using EventFields = std::function<void(JsonWriter&)>;

using TimePoint = std::chrono::steady_clock::time_point;
using Clock = std::function<TimePoint()>;

// What percents and bars are drawn from.
struct Share {
  uint64_t done = 0, total = 0;
};
// An item of unknown size (0) stands for one byte to come until it is done, so that it neither
// counts as done nor outweighs those that are known.
Share share_of(const ProgressItem& item);
unsigned whole_percent(Share share);

// How far the work is at one moment.
struct ProgressView {
  std::string_view action;
  std::vector<ProgressItem> items;
  uint64_t done_bytes = 0, total_bytes = 0;
  Share share;           // of all items
  unsigned percent = 0;  // of `share`: weighted by bytes, rounded down
  double bytes_per_second = 0;
  double eta_seconds = -1;  // negative: unknown
  double elapsed_seconds = 0;
};

// "2.0 s left"; "verifying" once all bytes have moved and are being looked at; else nothing, for
// what comes behind the last byte takes an unknown time.
std::string left_text(const ProgressView& view);

class ProgressStyle {
 public:
  // When to paint: not before `first`, then every `interval` if anything changed, and every
  // `heartbeat` in any case.
  struct Timing {
    std::chrono::milliseconds first, interval, heartbeat;
  };
  virtual ~ProgressStyle() = default;
  virtual Timing timing() const = 0;
  virtual void paint(const ProgressView& view) = 0;
  // A step of the work is over (there may be another). `painted`: paint was called for it.
  virtual void step_done(const ProgressView& view, bool ok, bool painted) = 0;
  // Something happened that programs are told of; people read it in messages.
  virtual void tell(std::string_view event, const EventFields& fields);
  // Nothing was written for `heartbeat`, and no step is under way.
  virtual void idle();
  // All is over; 0 when all is well. Called exactly once.
  virtual void finish(const ProgressView& last, int exit_code, const EventFields& fields) = 0;
};

std::unique_ptr<ProgressStyle> make_progress_bar(Console& console);
std::unique_ptr<ProgressStyle> make_plain_progress(Console& console);
std::unique_ptr<ProgressStyle> make_json_progress(Console& console);

class ProgressTracker final : public Progress {
 public:
  // With a clock of the caller's there is no thread: the caller calls tick().
  explicit ProgressTracker(std::unique_ptr<ProgressStyle> style, Clock clock = {});
  ~ProgressTracker() override;

  void begin(std::string_view action, std::span<const ProgressItem> items) override;
  void advance(uint32_t item, uint64_t bytes) override;
  void set_state(uint32_t item, ItemState state) override;
  void restart(uint32_t item, uint64_t done_bytes) override;
  void end(bool ok) override;

  void tell(std::string_view event, const EventFields& fields);
  void tick();
  // `fields` are added to the last event.
  void finish(int exit_code, const EventFields& fields = {});

 private:
  struct Counter {
    std::atomic<uint64_t> done_bytes{0};
    std::atomic<ItemState> state{ItemState::Queued};
  };

  ProgressView view(TimePoint now);
  void run_ticker();
  void stop_ticker();

  std::unique_ptr<ProgressStyle> style_;
  Clock clock_;
  std::mutex mutex_;  // over all below but the counters
  std::string action_;
  std::vector<ProgressItem> items_;
  std::unique_ptr<Counter[]> counters_;
  std::atomic<bool> changed_{false};
  bool active_ = false, painted_ = false, finished_ = false;
  TimePoint begun_{}, last_paint_{}, last_sample_{}, last_sign_{};
  uint64_t sampled_bytes_ = 0;
  double bytes_per_second_ = 0;

  std::condition_variable stop_;
  bool stopping_ = false;
  std::thread ticker_;
};

}  // namespace stkit::cli
