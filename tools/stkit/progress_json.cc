// Progress for programs: one JSON object a line on stderr.
#include <fmt/format.h>

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

class JsonProgress final : public ProgressStyle {
 public:
  explicit JsonProgress(Console& console)
      : console_(console), task_id_(fmt::format("{:08x}", std::random_device{}())) {}

  Timing timing() const override { return {0ms, 200ms, 10s}; }

  void paint(const ProgressView& view) override { event("progress", view, false); }

  void step_done(const ProgressView&, bool, bool) override { told_.clear(); }

  void finish(const ProgressView& last, bool ok) override {
    event(ok ? "done" : "failed", last, true);
  }

 private:
  struct Told {
    uint64_t bytes;
    ItemState state;
    friend bool operator==(const Told&, const Told&) = default;
  };

  void event(std::string_view kind, const ProgressView& view, bool all) {
    std::string line;
    JsonWriter json(line);
    json.begin_object().field("event", kind).field("task_id", task_id_);
    json.field("action", view.action).field("bundle", view.items.size() > 1);
    write_files(json, view, all);
    json.field("bytes_downloaded", view.done_bytes).field("total_bytes", view.total_bytes);
    json.field("total_size", view.total_bytes).field("overall_progress", view.percent);
    json.field("bytes_per_second", static_cast<uint64_t>(view.bytes_per_second));
    json.key("eta_seconds");
    if (view.eta_seconds < 0)
      json.null();
    else
      json.value(static_cast<uint64_t>(view.eta_seconds + 0.5));
    json.end_object();
    console_.message(line);
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
