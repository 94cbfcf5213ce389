#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "html/charts.h"
#include "html/page.h"
#include "model/layers.h"
#include "ops/inspect/html.h"
#include "stkit/text.h"

namespace stkit::html {
namespace {

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

}  // namespace

std::string dtype_chart(const InspectReport& report) {
  std::vector<Part> parts;
  for (const auto& [dtype, row] : report.dtypes)
    parts.push_back({std::string(name(dtype)), 0, row.bytes,
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
      parts.push_back({std::string(name(static_cast<TensorRole>(role))), role, bytes[role],
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
  const uint64_t largest = std::max<uint64_t>(1, std::ranges::max(rows, {}, &Row::bytes).bytes);

  constexpr double kWidth = 520, kLeft = 64, kRight = 84, kRow = 30;
  std::string out =
      fmt::format(R"(<svg viewBox="0 0 {} {}" role="img" aria-label="size after quantization">)",
                  kWidth, kRow * static_cast<double>(rows.size()));
  double y = 0;
  for (const Row& row : rows) {
    const double width = std::max(
        (kWidth - kLeft - kRight) * static_cast<double>(row.bytes) / static_cast<double>(largest),
        1.0);
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
  out += bucket_chart(histogram.low, histogram.high, histogram.buckets);
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
