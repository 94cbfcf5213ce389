// Progress in a log or a pipe: one line every few seconds.
#include <fmt/format.h>

#include "console.h"
#include "progress_tracker.h"
#include "stkit/text.h"

namespace stkit::cli {
namespace {

using namespace std::chrono_literals;

class PlainProgress final : public ProgressStyle {
 public:
  explicit PlainProgress(Console& console) : console_(console) {}

  Timing timing() const override { return {3s, 5s, 30s}; }

  void paint(const ProgressView& view) override {
    std::string line = fmt::format("{}: {} % ({} of {}", view.action, view.percent,
                                   format_bytes(view.done_bytes), format_bytes(view.total_bytes));
    if (view.bytes_per_second >= 1)
      line += fmt::format(", {}/s", format_bytes(static_cast<uint64_t>(view.bytes_per_second)));
    if (const std::string left = left_text(view); !left.empty()) line += ", " + left;
    console_.message(line + ")");
  }

  void step_done(const ProgressView& view, bool ok, bool painted) override {
    if (ok && painted)
      console_.message(
          fmt::format("{}: done in {}", view.action, format_seconds(view.elapsed_seconds)));
  }

  void finish(const ProgressView&, int, const EventFields&) override {}

 private:
  Console& console_;
};

}  // namespace

std::unique_ptr<ProgressStyle> make_plain_progress(Console& console) {
  return std::make_unique<PlainProgress>(console);
}

}  // namespace stkit::cli
