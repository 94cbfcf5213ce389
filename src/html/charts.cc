#include "html/charts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "html/page.h"
#include "stkit/text.h"

namespace stkit::html {
namespace {

constexpr double kWidth = 520;

double share(uint64_t part, uint64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

double opacity(double value, std::pair<double, double> range) {
  if (!(value > 0)) return 0.04;
  const double low = std::log(range.first), high = std::log(range.second);
  return high > low ? 0.12 + 0.88 * (std::log(value) - low) / (high - low) : 0.5;
}

// Of the heat map.
constexpr double kMapWidth = 1100, kMapLeft = 300, kMapRow = 20;

void append_cells(std::string& out, const HeatMap::Row& row, double step, double y,
                  std::pair<double, double> range) {
  fmt::format_to(std::back_inserter(out),
                 R"(<text class="strong" x="{}" y="{}" text-anchor="end">{}</text>)", kMapLeft - 10,
                 y + 14, row.label);
  for (size_t i = 0; i < row.cells.size(); ++i) {
    const HeatMap::Cell& cell = row.cells[i];
    if (!cell.shown) continue;
    fmt::format_to(
        std::back_inserter(out),
        R"(<rect class="f0{}" x="{:.2f}" y="{}" width="{:.2f}" height="{}" rx="2" fill-opacity="{:.3f}"><title>{}</title></rect>)",
        cell.framed ? " fault" : "", kMapLeft + static_cast<double>(i) * step, y,
        std::max(step - 1.5, 1.0), kMapRow - 2, opacity(cell.value, range), cell.tip);
  }
}

}  // namespace

std::string stacked_bar(std::string_view description, std::span<const Part> parts) {
  uint64_t whole = 0;
  for (const Part& part : parts) whole += part.bytes;
  std::string bar = fmt::format(
      R"(<svg viewBox="0 0 {0} 22" role="img" aria-label="{1}"><rect class="track" width="{0}" height="22" rx="4"/>)",
      kWidth, description);
  std::string rows;
  double x = 0;
  for (const Part& part : parts) {
    const double width = kWidth * share(part.bytes, whole);
    if (width > 0)
      fmt::format_to(
          std::back_inserter(bar),
          R"(<rect class="f{}" x="{:.2f}" width="{:.2f}" height="22" rx="{}"><title>{}: {}</title></rect>)",
          part.colour, x, std::max(width - 1.5, 0.5), width > 10 ? 3 : 0, part.label,
          format_bytes(part.bytes));
    fmt::format_to(
        std::back_inserter(rows),
        R"(<tr><td><span class="key f{}"></span>{}</td><td class="quiet">{}</td><td class="number">{}</td><td class="number">{}</td></tr>)",
        part.colour, part.label, part.note, format_bytes(part.bytes),
        percent(share(part.bytes, whole)));
    x += width;
  }
  return bar + "</svg><div class=\"scroll\"><table class=\"plain\">" + rows + "</table></div>\n";
}

std::string bucket_chart(double low, double high, std::span<const uint64_t> buckets) {
  constexpr double kHeight = 150, kBase = 130;
  const uint64_t most = buckets.empty() ? 0 : std::ranges::max(buckets);
  if (most == 0) return "<p class=\"quiet\">No finite values.</p>";
  const double bucket_width = (high - low) / static_cast<double>(buckets.size());
  const double step = kWidth / static_cast<double>(buckets.size());
  std::string out = fmt::format(
      R"(<svg viewBox="0 0 {0} {1}" role="img" aria-label="histogram"><line class="axis" x1="0" x2="{0}" y1="{2}" y2="{2}"/>)",
      kWidth, kHeight, kBase);
  for (size_t i = 0; i < buckets.size(); ++i) {
    const auto at = static_cast<double>(i);
    const double height = (kBase - 4) * share(buckets[i], most);
    fmt::format_to(
        std::back_inserter(out),
        R"(<g><rect class="f0" x="{0:.2f}" y="{1:.2f}" width="{2:.2f}" height="{3:.2f}"/><rect class="hit" x="{0:.2f}" width="{2:.2f}" height="{4}"/><title>{5:.4g} to {6:.4g}: {7}</title></g>)",
        at * step, kBase - height, step * 0.92, height, kBase, low + at * bucket_width,
        low + (at + 1) * bucket_width, format_grouped(buckets[i]));
  }
  fmt::format_to(
      std::back_inserter(out),
      R"(<text x="0" y="{0}">{1:.4g}</text><text x="{2}" y="{0}" text-anchor="middle">{3:.4g}</text><text x="{4}" y="{0}" text-anchor="end">{5:.4g}</text></svg>)",
      kHeight - 4, low, kWidth / 2, low + (high - low) / 2, kWidth, high);
  return out;
}

void append_layer_numbers(std::string& out, const LayerAxis& axis, double left, double step,
                          double y) {
  // A number wants some 34 units.
  size_t every = 1;
  while (static_cast<double>(every) * step < 34) every = every % 2 == 0 ? every * 5 / 2 : every * 2;
  for (size_t i = 0; i < axis.columns; i += every)
    fmt::format_to(std::back_inserter(out),
                   R"(<text x="{:.2f}" y="{:.2f}" text-anchor="middle">{}</text>)",
                   left + (static_cast<double>(i) + 0.5) * step, y,
                   axis.first_layer + i * axis.layers_a_column);
}

std::pair<double, double> HeatMap::range() const {
  double low = HUGE_VAL, high = 0;
  for (const Row& row : rows)
    for (const Cell& cell : row.cells) {
      if (!cell.shown || !(cell.value > 0)) continue;
      low = std::min(low, cell.value);
      high = std::max(high, cell.value);
    }
  return high > 0 ? std::pair(low, high) : std::pair(1.0, 1.0);
}

std::string heat_map(const HeatMap& map) {
  const double bottom = kMapRow * static_cast<double>(map.rows.size());
  const double step =
      std::min((kMapWidth - kMapLeft) / static_cast<double>(std::max<size_t>(1, map.axis.columns)),
               kWidestColumn);
  std::string out = fmt::format(R"(<svg viewBox="0 0 {} {}" role="img" aria-label="{}">)",
                                kMapWidth, bottom + 24, map.description);
  const std::pair<double, double> range = map.range();
  double y = 0;
  for (const HeatMap::Row& row : map.rows) {
    append_cells(out, row, step, y, range);
    y += kMapRow;
  }
  append_layer_numbers(out, map.axis, kMapLeft, step, bottom + 16);
  return out + "</svg>";
}

}  // namespace stkit::html
