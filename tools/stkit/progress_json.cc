// Progress for programs: one JSON object a line on stderr.
#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <random>
#include <vector>

#include "console.h"
#include "progress_tracker.h"
#include "stkit/json.h"

namespace stkit::cli {
namespace {

using namespace std::chrono_literals;

// With more files than this, an event lists only those that changed since the one before.
constexpr size_t kListAllFiles = 200;

// Raised when a field changes its meaning; new ones may come at any time.
constexpr unsigned kVersion = 1;

// "2026-11-21T07:54:42.123Z"
std::string time_stamp() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
  const auto seconds = static_cast<std::time_t>(ms / 1000);
  std::tm date{};
  gmtime_r(&seconds, &date);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", date.tm_year + 1900,
                     date.tm_mon + 1, date.tm_mday, date.tm_hour, date.tm_min, date.tm_sec,
                     ms % 1000);
}

class JsonProgress final : public ProgressStyle {
 public:
  explicit JsonProgress(Console& console)
      : console_(console), task_id_(fmt::format("{:08x}", std::random_device{}())) {}

  Timing timing() const override { return {0ms, 200ms, 10s}; }

  void paint(const ProgressView& view) override {
    tell("progress", [&](JsonWriter& json) { write_progress(json, view, false); });
  }

  void step_done(const ProgressView&, bool, bool) override { told_.clear(); }

  void tell(std::string_view event, const EventFields& fields) override {
    std::string line;
    JsonWriter json(line);
    json.begin_object().field("v", kVersion).field("event", event);
    json.field("task_id", task_id_).field("ts", time_stamp());
    if (fields) fields(json);
    json.end_object();
    console_.message(line);
  }

  void idle() override { tell("heartbeat", {}); }

  void finish(const ProgressView& last, int exit_code, const EventFields& fields) override {
    // What is no failure may yet be no success: a check that says no.
    tell(exit_code <= 1 ? "done" : "failed", [&](JsonWriter& json) {
      json.field("ok", exit_code == 0).field("exit_code", exit_code);
      write_progress(json, last, true);
      if (fields) fields(json);
    });
  }

 private:
  struct Told {
    uint64_t bytes;
    ItemState state;
    friend bool operator==(const Told&, const Told&) = default;
  };

  void write_progress(JsonWriter& json, const ProgressView& view, bool all) {
    json.field("action", view.action).field("bundle", view.items.size() > 1);
    write_files(json, view, all);
    json.field("files_done", std::ranges::count_if(view.items, is_done));
    json.field("files_total", view.items.size());
    json.field("bytes_downloaded", view.done_bytes).field("total_bytes", view.total_bytes);
    json.field("total_size", view.total_bytes).field("overall_progress", view.percent);
    json.field("bytes_per_second", static_cast<uint64_t>(view.bytes_per_second));
    json.key("eta_seconds");
    if (view.eta_seconds < 0)
      json.null();
    else
      json.value(static_cast<uint64_t>(view.eta_seconds + 0.5));
  }

  static bool is_done(const ProgressItem& item) {
    return item.state == ItemState::Done || item.state == ItemState::Cached;
  }

  void write_files(JsonWriter& json, const ProgressView& view, bool all) {
    all = all || view.items.size() <= kListAllFiles || told_.size() != view.items.size();
    told_.resize(view.items.size(), Told{0, ItemState::Queued});
    json.key("files").begin_array();
    for (size_t i = 0; i < view.items.size(); ++i) {
      const ProgressItem& item = view.items[i];
      const Told now{item.done_bytes, item.state};
      if (!all && now == told_[i]) continue;
      told_[i] = now;
      json.begin_object().field("name", item.name).field("size", item.size_bytes);
      json.field("bytes", item.done_bytes);
      json.field("progress", whole_percent(share_of(item)));
      json.field("state", name(item.state)).end_object();
    }
    json.end_array();
  }

  Console& console_;
  const std::string task_id_;
  std::vector<Told> told_;
};

}  // namespace

std::unique_ptr<ProgressStyle> make_json_progress(Console& console) {
  return std::make_unique<JsonProgress>(console);
}

}  // namespace stkit::cli
