#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "render_inspect.h"
#include "stkit/text.h"
#include "table.h"

namespace stkit::cli {
namespace {

constexpr size_t kWidestBar = 50;

std::string eighths_bar(uint64_t count, uint64_t most, size_t cells) {
  static constexpr std::string_view kParts[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  if (count == 0 || most == 0) return {};
  const double share = static_cast<double>(count) / static_cast<double>(most);
  // What is there is seen, however little.
  const size_t eighths =
      std::max<size_t>(1, static_cast<size_t>(std::round(share * static_cast<double>(cells) * 8)));
  std::string bar;
  for (size_t i = 0; i < eighths / 8; ++i) bar += "█";
  return bar += kParts[eighths % 8];
}

void write_stats(Output& out, const Terminal& terminal, const TensorStats& stats) {
  const Pair rows[] = {
      {"values", format_grouped(stats.values)}, {"min", value_text(stats.min)},
      {"max", value_text(stats.max)},           {"mean", value_text(stats.mean)},
      {"std", value_text(stats.std)},           {"nan", format_grouped(stats.nan)},
      {"inf", format_grouped(stats.inf)},       {"zero", format_grouped(stats.zero)}};
  write_pairs(out, terminal, rows);
}

std::string values_text(const TensorDetail& detail) {
  std::string text;
  for (const double value : detail.values) text += (text.empty() ? "" : " ") + value_text(value);
  const uint64_t per_element = info(detail.tensor->dtype).kind == DTypeKind::Complex ? 2 : 1;
  if (detail.values.size() < detail.tensor->element_count * per_element) text += " …";
  return text;
}

}  // namespace

void render_tensor(Output& out, const Terminal& terminal, const Model& model,
                   const TensorDetail& detail) {
  const TensorInfo& tensor = *detail.tensor;
  out.write(Paint(terminal.color).bold(printable(tensor.name)) + "\n");
  std::vector<Pair> rows = {
      {"type", std::string(name(tensor.dtype))},
      {"shape", shape_text(tensor.shape)},
      {"parameters", format_grouped(tensor.element_count)},
      {"bytes", tensor.size_bytes < 1024 ? format_grouped(tensor.size_bytes)
                                         : fmt::format("{} ({})", format_bytes(tensor.size_bytes),
                                                       format_grouped(tensor.size_bytes))},
      {"file", model.files()[tensor.file].name}};
  if (tensor.contiguous) rows.emplace_back("offset", format_grouped(tensor.offset_bytes));
  write_pairs(out, terminal, rows);
  if (!detail.values.empty()) {
    write_heading(out, terminal, "First values");
    const unsigned columns_wide = terminal.columns == 0 ? 100 : terminal.columns;
    out.write(wrap_text(values_text(detail), 2, columns_wide));
  }
  if (detail.stats) {
    write_heading(out, terminal, "Statistics");
    write_stats(out, terminal, *detail.stats);
  }
}

void write_json(JsonWriter& json, const Model& model, const TensorDetail& detail) {
  const TensorInfo& tensor = *detail.tensor;
  json.begin_object().field("path", model.reference());
  json.field("name", tensor.name).field("dtype", name(tensor.dtype)).key("shape").begin_array();
  for (const uint64_t dimension : tensor.shape) json.value(dimension);
  json.end_array().field("parameters", tensor.element_count).field("bytes", tensor.size_bytes);
  json.field("file", model.files()[tensor.file].name).field("offset", tensor.offset_bytes);
  json.key("values").begin_array();
  for (const double value : detail.values) json.value(value);
  json.end_array();
  if (detail.stats) {
    json.key("stats");
    write_json(json, *detail.stats);
  }
  json.end_object();
}

void render_histogram(Output& out, const Terminal& terminal, std::string_view tensor,
                      const Histogram& histogram) {
  out.write(Paint(terminal.color).bold(printable(tensor)) + "\n");
  write_stats(out, terminal, histogram.stats);
  if (histogram.buckets.empty()) return;
  out.write("\n");
  const uint64_t most = std::ranges::max(histogram.buckets);
  const double width =
      (histogram.high - histogram.low) / static_cast<double>(histogram.buckets.size());
  // Room for the two other columns: a value and a grouped count.
  const size_t cells = terminal.columns == 0
                           ? kWidestBar
                           : std::clamp<size_t>(terminal.columns, 50, kWidestBar + 35) - 35;
  const Column columns[] = {{"from", true}, {"values", true}, {"", false, false, &Paint::cyan}};
  write_table(out, terminal, columns, histogram.buckets.size(), [&](size_t i, auto& row) {
    row = {value_text(histogram.low + width * static_cast<double>(i)),
           format_grouped(histogram.buckets[i]), eighths_bar(histogram.buckets[i], most, cells)};
  });
}

void write_json(JsonWriter& json, const Model& model, std::string_view tensor,
                const Histogram& histogram) {
  json.begin_object().field("path", model.reference()).field("tensor", tensor);
  json.field("low", histogram.low).field("high", histogram.high).key("buckets").begin_array();
  for (const uint64_t count : histogram.buckets) json.value(count);
  json.end_array().key("stats");
  write_json(json, histogram.stats);
  json.end_object();
}

}  // namespace stkit::cli
