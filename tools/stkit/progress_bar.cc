// Progress on a terminal: a line a file while there is room, and a line for the whole.
#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "console.h"
#include "progress_tracker.h"
#include "stkit/text.h"

namespace stkit::cli {
namespace {

using namespace std::chrono_literals;

constexpr size_t kNarrowestBar = 10, kWidestBar = 40;

std::string bar(Share of, size_t cells) {
  // Eighths of a cell, so that a large file is seen to move.
  static constexpr std::string_view kParts[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  const double share =
      of.total == 0 ? 1 : static_cast<double>(of.done) / static_cast<double>(of.total);
  const auto eighths = static_cast<size_t>(share * static_cast<double>(cells) * 8);
  std::string drawn;
  for (size_t i = 0; i < eighths / 8; ++i) drawn += "█";
  drawn += kParts[eighths % 8];
  const size_t filled = (eighths + 7) / 8;
  return drawn.append(cells - std::min(cells, filled), ' ');
}

std::string pad(std::string text, size_t columns) {
  const size_t width = display_width(text);
  return width < columns ? text.append(columns - width, ' ') : text;
}

class ProgressBar final : public ProgressStyle {
 public:
  explicit ProgressBar(Console& console) : console_(console) {}

  Timing timing() const override { return {500ms, 100ms, 1s}; }

  void paint(const ProgressView& view) override {
    const Terminal terminal = console_.terminal();
    // Asked for by name, a bar is drawn into a pipe too, as for an ordinary terminal.
    const size_t columns = std::max(20u, terminal.columns > 0 ? terminal.columns : 80) - 1;
    // One row stays free for the cursor, and one for the total.
    const size_t room = std::max(3u, terminal.rows > 0 ? terminal.rows : 24) - 2;
    const size_t labels = label_width(view, columns);
    std::vector<std::string> lines;
    if (view.items.size() > 1)
      for (const ProgressItem* item : shown(view, room))
        lines.push_back(item_line(*item, labels, columns));
    lines.push_back(total_line(view, labels, columns));
    console_.draw(lines);
  }

  void step_done(const ProgressView&, bool, bool) override { console_.clear(); }
  void finish(const ProgressView&, int, const EventFields&) override { console_.clear(); }

 private:
  // What is being worked on comes first, then what went wrong, what waits, what is done.
  static int rank(ItemState state) {
    switch (state) {
      case ItemState::Active:
      case ItemState::Verifying: return 0;
      case ItemState::Failed: return 1;
      case ItemState::Queued: return 2;
      default: return 3;
    }
  }

  static std::vector<const ProgressItem*> shown(const ProgressView& view, size_t room) {
    std::vector<const ProgressItem*> items;
    for (const ProgressItem& item : view.items) items.push_back(&item);
    if (items.size() <= room) return items;
    std::ranges::stable_sort(items, {}, [](const ProgressItem* item) { return rank(item->state); });
    items.resize(room);
    return items;
  }

  // Under one another the labels take one width; a line alone takes what it needs.
  static size_t label_width(const ProgressView& view, size_t columns) {
    const size_t width = std::clamp<size_t>(columns * 2 / 5, 8, 44);
    return view.items.size() > 1 ? width : std::min(width, display_width(view.action));
  }

  // Of `tails` the first that leaves room for a bar.
  static std::string line(std::string_view label, size_t label_width, Share share,
                          std::span<const std::string> tails, size_t columns) {
    const std::string percent = fmt::format(" {:3} % ", whole_percent(share));
    const size_t fixed = label_width + 1 + percent.size();
    std::string text = pad(printable(label, label_width), label_width) + ' ';
    const size_t left = columns > fixed ? columns - fixed : 0;
    const auto tail = std::ranges::find_if(tails, [&](const std::string& each) {
      return left >= kNarrowestBar + display_width(each);
    });
    const std::string shown = tail == tails.end() ? std::string() : *tail;
    if (left >= kNarrowestBar)
      text += bar(share, std::min(left - display_width(shown), kWidestBar)) + percent + shown;
    else
      text += percent;
    return printable(text, columns);
  }

  static std::string item_line(const ProgressItem& item, size_t label_width, size_t columns) {
    std::string tail = format_bytes(std::max(item.size_bytes, item.done_bytes));
    if (item.state == ItemState::Verifying || item.state == ItemState::Failed ||
        item.state == ItemState::Cached)
      tail += fmt::format(" {}", name(item.state));
    return line(item.name, label_width, share_of(item), {&tail, 1}, columns);
  }

  static std::string total_line(const ProgressView& view, size_t label_width, size_t columns) {
    const std::string sizes =
        fmt::format("{} / {}", format_bytes(view.done_bytes), format_bytes(view.total_bytes));
    const std::string left = left_text(view);
    std::string speed;
    if (view.bytes_per_second >= 1)
      speed = fmt::format("  {}/s", format_bytes(static_cast<uint64_t>(view.bytes_per_second)));
    const std::string gap = left.empty() ? "" : "  ";
    const std::string tails[] = {sizes + speed + gap + left, sizes + gap + left, left};
    return line(view.action, label_width, view.share, tails, columns);
  }

  Console& console_;
};

}  // namespace

std::unique_ptr<ProgressStyle> make_progress_bar(Console& console) {
  return std::make_unique<ProgressBar>(console);
}

}  // namespace stkit::cli
