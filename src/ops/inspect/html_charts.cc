#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "ops/inspect/html.h"
#include "ops/inspect/layers.h"
#include "stkit/text.h"

namespace stkit::html {
namespace {

constexpr double kWidth = 520;

// The style sheet's colour classes f0 to f9.
constexpr size_t kColours = 10;

struct Part {
  std::string_view label;
  size_t colour = 0;
  uint64_t bytes = 0;
  std::string note;
};

double share(uint64_t part, uint64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

// One bar cut in parts, and a table that names them.
std::string stacked_bar(std::string_view description, const std::vector<Part>& parts) {
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

std::string advice_words(const IsqAdvice& isq, std::string_view choice) {
  const std::pair<std::string_view, std::string_view> advice[] = {
      {isq.speed, "speed"},
      {isq.balanced, "balanced"},
      {isq.quality, "quality"},
      {isq.fallback_default, "default"}};
  std::string words;
  for (const auto& [named, word] : advice)
    if (named == choice) words += fmt::format("{}{}", words.empty() ? "· " : ", ", word);
  return words;
}

std::string buckets_chart(const Histogram& histogram, uint64_t most) {
  constexpr double kHeight = 150, kBase = 130;
  const auto buckets = static_cast<double>(histogram.buckets.size());
  const double bucket_width = (histogram.high - histogram.low) / buckets;
  const double step = kWidth / buckets;
  std::string out = fmt::format(
      R"(<svg viewBox="0 0 {0} {1}" role="img" aria-label="histogram"><line class="axis" x1="0" x2="{0}" y1="{2}" y2="{2}"/>)",
      kWidth, kHeight, kBase);
  for (size_t i = 0; i < histogram.buckets.size(); ++i) {
    const auto at = static_cast<double>(i);
    const double height = (kBase - 4) * share(histogram.buckets[i], most);
    fmt::format_to(
        std::back_inserter(out),
        R"(<g><rect class="f0" x="{0:.2f}" y="{1:.2f}" width="{2:.2f}" height="{3:.2f}"/><rect class="hit" x="{0:.2f}" width="{2:.2f}" height="{4}"/><title>{5:.4g} to {6:.4g}: {7}</title></g>)",
        at * step, kBase - height, step * 0.92, height, kBase, histogram.low + at * bucket_width,
        histogram.low + (at + 1) * bucket_width, format_grouped(histogram.buckets[i]));
  }
  fmt::format_to(
      std::back_inserter(out),
      R"(<text x="0" y="{0}">{1:.4g}</text><text x="{2}" y="{0}" text-anchor="middle">{3:.4g}</text><text x="{4}" y="{0}" text-anchor="end">{5:.4g}</text></svg>)",
      kHeight - 4, histogram.low, kWidth / 2, histogram.low + (histogram.high - histogram.low) / 2,
      kWidth, histogram.high);
  return out;
}

}  // namespace

std::string percent(double fraction) {
  if (fraction > 0 && fraction < 0.0005) return "< 0.1 %";
  if (fraction < 1 && fraction >= 0.9995) return "> 99.9 %";
  return fmt::format("{:.1f} %", 100 * fraction);
}

std::string dtype_chart(const InspectReport& report) {
  std::vector<Part> parts;
  for (const auto& [dtype, row] : report.dtypes)
    parts.push_back({name(dtype), 0, row.bytes,
                     fmt::format("{} parameters in {}", format_count(row.parameters),
                                 counted(row.tensors, "tensor"))});
  std::ranges::sort(parts, std::ranges::greater{},
                    [](const Part& part) { return std::pair(part.bytes, part.label); });
  for (size_t i = 0; i < parts.size(); ++i) parts[i].colour = i % kColours;
  return stacked_bar("bytes by data type", parts);
}

std::string role_chart(const Model& model) {
  std::array<uint64_t, kTensorRoles> bytes{}, tensors{};
  for (const TensorInfo& tensor : model.tensors()) {
    const auto role = static_cast<size_t>(role_of(tensor.name));
    bytes[role] += tensor.size_bytes;
    ++tensors[role];
  }
  // A role has the colour of its number, here and in the charts of layers.
  std::vector<Part> parts;
  for (size_t role = 0; role < kTensorRoles; ++role)
    if (tensors[role] > 0)
      parts.push_back({name(static_cast<TensorRole>(role)), role, bytes[role],
                       counted(tensors[role], "tensor")});
  return stacked_bar("bytes by role", parts);
}

std::string isq_chart(const InspectReport& report) {
  struct Row {
    std::string_view label;
    std::string note;
    uint64_t bytes;
    size_t colour;
  };
  const IsqAdvice& isq = report.isq;
  std::vector<Row> rows{{"as it is", "", report.weight_bytes, 6}};
  for (auto it = isq.choices.rbegin(); it != isq.choices.rend(); ++it)
    rows.push_back({it->isq, advice_words(isq, it->isq), it->estimated_bytes,
                    it->isq == isq.fallback_default ? size_t{2} : size_t{0}});
  const uint64_t largest = std::ranges::max(rows, {}, &Row::bytes).bytes;

  constexpr double kLeft = 64, kRight = 84, kRow = 30;
  std::string out =
      fmt::format(R"(<svg viewBox="0 0 {} {}" role="img" aria-label="size after quantization">)",
                  kWidth, kRow * static_cast<double>(rows.size()));
  double y = 0;
  for (const Row& row : rows) {
    const double width = std::max((kWidth - kLeft - kRight) * share(row.bytes, largest), 1.0);
    fmt::format_to(
        std::back_inserter(out),
        R"(<text class="strong" x="0" y="{0}">{1}</text><rect class="f{2}" x="{3}" y="{4}" width="{5:.2f}" height="18" rx="3"><title>{6} bytes</title></rect><text x="{7:.2f}" y="{0}"><tspan class="strong">{8}</tspan> {9}</text>)",
        y + 18, row.label, row.colour, kLeft, y + 5, width, format_grouped(row.bytes),
        kLeft + width + 8, format_bytes(row.bytes), row.note);
    y += kRow;
  }
  return out + "</svg>\n";
}

std::string histogram_chart(std::string_view tensor, const Histogram& histogram) {
  const TensorStats& stats = histogram.stats;
  std::string out = fmt::format("<h3 class=\"mono\">{}</h3>", text(tensor, 120));
  const uint64_t most = histogram.buckets.empty() ? 0 : std::ranges::max(histogram.buckets);
  out += most == 0 ? "<p class=\"quiet\">No finite values.</p>" : buckets_chart(histogram, most);
  if (stats.values > stats.nan + stats.inf)
    fmt::format_to(
        std::back_inserter(out), "<p class=\"quiet small\">{} · mean {:.4g} · std {:.4g} · {} zero",
        counted(stats.values, "value"), stats.mean, stats.std, format_grouped(stats.zero));
  else
    fmt::format_to(std::back_inserter(out), "<p class=\"quiet small\">{}",
                   counted(stats.values, "value"));
  if (stats.nan > 0) out += fmt::format(" · <b>{} NaN</b>", format_grouped(stats.nan));
  if (stats.inf > 0) out += fmt::format(" · <b>{} infinite</b>", format_grouped(stats.inf));
  return out + "</p>\n";
}

}  // namespace stkit::html
