// The page that `quantize --report FILE.html` writes.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <map>
#include <numeric>

#include "html/charts.h"
#include "html/page.h"
#include "html/table.h"
#include "model/layer_stacks.h"
#include "model/layers.h"
#include "stkit/json.h"
#include "stkit/quantize.h"
#include "stkit/text.h"

namespace stkit {
namespace {

using Tensor = QuantizePlan::Tensor;

constexpr size_t kShownParts = 32;

void append_tags(std::string& out, const QuantizePlan& plan) {
  out += "<ul class=\"tags\">";
  html::append_tag(out, "from", plan.model().reference());
  html::append_tag(out, "format", name(plan.model().format()));
  out += "</ul>\n";
}

void append_cards(std::string& out, const QuantizePlan& plan, const QuantizeReport& report) {
  const auto share = [&](uint64_t part, uint64_t whole) {
    return html::percent(static_cast<double>(part) /
                         static_cast<double>(std::max<uint64_t>(1, whole)));
  };
  out += "<div class=\"cards\">";
  html::append_card(out, "Size", format_bytes(plan.output_bytes()),
                    fmt::format("{} of {}", share(plan.output_bytes(), plan.input_bytes()),
                                format_bytes(plan.input_bytes())));
  html::append_card(out, "Bits a weight", fmt::format("{:.3f}", plan.bits_per_weight()),
                    fmt::format("{} weights", format_count(plan.parameter_count())));
  if (report.total_error) {
    const ErrorMetrics& errors = *report.total_error;
    html::append_card(out, "Cosine similarity", fmt::format("{:.6f}", errors.cosine_similarity),
                      "of all quantized weights");
    html::append_card(out, "Relative rmse", fmt::format("{:.2f} %", 100 * errors.relative_rmse),
                      std::isfinite(errors.sqnr_db) ? fmt::format("SQNR {:.1f} dB", errors.sqnr_db)
                                                    : "nothing was lost");
  }
  html::append_card(out, "Fallbacks", share(plan.fallback_parameters(), plan.parameter_count()),
                    "of the weights, in other types");
  html::append_card(out, "Time", format_seconds(report.seconds), counted(report.threads, "thread"));
  out += "</div>\n";
}

std::vector<std::string> notices(const QuantizePlan& plan, const QuantizeReport& report) {
  std::vector<std::string> lines(plan.warnings().begin(), plan.warnings().end());
  for (const auto& [tensor, values] : report.non_finite)
    lines.push_back(
        fmt::format("{}: {} not finite", plan.tensors()[tensor].name, counted(values, "value")));
  for (const Tensor& tensor : plan.tensors())
    if (tensor.instead_of)
      lines.push_back(fmt::format("{}: rows of {} are not whole blocks of {}, so it is {}",
                                  tensor.name, format_grouped(tensor.shape.back()),
                                  name(*tensor.instead_of), name(tensor.to)));
  return lines;
}

std::string mix(const QuantizePlan& plan) {
  struct Share {
    uint64_t tensors = 0, parameters = 0, bytes = 0;
  };
  std::map<DType, Share> shares;
  for (const Tensor& tensor : plan.tensors()) {
    Share& share = shares[tensor.to];
    ++share.tensors;
    share.parameters += tensor.element_count;
    share.bytes += tensor.size_bytes;
  }
  std::vector<html::Part> parts;
  for (const auto& [type, share] : shares)
    parts.push_back({std::string(name(type)), 0, share.bytes,
                     fmt::format("{} weights in {}", format_count(share.parameters),
                                 counted(share.tensors, "tensor"))});
  std::ranges::sort(parts, std::ranges::greater{},
                    [](const html::Part& part) { return std::pair(part.bytes, part.label); });
  for (size_t i = 0; i < parts.size(); ++i) parts[i].colour = i % html::kColours;
  return html::stacked_bar("bytes by type", parts);
}

// Squared errors are weighed by elements: a cell may hold many tensors, like a layer's experts.
struct CellErrors {
  double squares = 0, elements = 0;
  std::string_view type;
  bool mixed = false;

  void add(const Tensor& tensor, const ErrorMetrics& errors) {
    const auto count = static_cast<double>(tensor.element_count);
    squares += errors.relative_rmse * errors.relative_rmse * count;
    elements += count;
    mixed |= !type.empty() && type != name(tensor.to);
    type = name(tensor.to);
  }
  double relative_rmse() const { return elements > 0 ? std::sqrt(squares / elements) : 0; }
};

std::map<std::string, std::vector<CellErrors>> errors_by_part(const QuantizePlan& plan,
                                                              const QuantizeReport& report,
                                                              const LayerStack& stack) {
  std::map<std::string, std::vector<CellErrors>> rows;
  for (size_t i = 0; i < report.errors.size(); ++i) {
    const Tensor& tensor = plan.tensors()[i];
    const LayerPlace place = place_of(tensor.name);
    if (place.stack != stack.name || report.errors[i].rmse == 0) continue;
    std::string part = without_numbers(place.part);
    if (rows.size() == kShownParts && !rows.contains(part)) continue;
    auto& cells = rows[std::move(part)];
    cells.resize(stack.columns());
    cells[stack.column_of(place.layer)].add(tensor, report.errors[i]);
  }
  return rows;
}

std::string heat_map(const QuantizePlan& plan, const QuantizeReport& report) {
  std::vector<SizedName> names;
  for (const Tensor& tensor : plan.tensors()) names.push_back({tensor.name, tensor.size_bytes});
  const std::vector<LayerStack> stacks = layer_stacks(names);
  if (stacks.empty()) return {};
  const LayerStack& stack = stacks.front();
  html::HeatMap map{"relative error by layer and part",
                    {stack.first, stack.layers_a_column, stack.columns()},
                    {}};
  for (const auto& [part, cells] : errors_by_part(plan, report, stack)) {
    html::HeatMap::Row& row = map.rows.emplace_back(html::HeatMap::Row{html::text(part, 42), {}});
    for (size_t i = 0; i < cells.size(); ++i)
      row.cells.push_back(
          {.shown = cells[i].elements > 0,
           .value = cells[i].relative_rmse(),
           .tip = fmt::format("{}, {}: {}, relative rmse {:.2f} %", stack.column_label(i),
                              html::text(part, 80), cells[i].mixed ? "mixed" : cells[i].type,
                              100 * cells[i].relative_rmse())});
  }
  if (map.rows.empty()) return {};
  const auto [low, high] = map.range();
  return html::heat_map(map) +
         fmt::format(
             "<p class=\"quiet small\">Error against the size of the weights of "
             "<span class=\"mono\">{}</span>: {:.2f} % (pale) to {:.2f} % (full), "
             "logarithmic.</p>\n",
             html::text(stack.name, 80), 100 * low, 100 * high);
}

std::string histograms(const QuantizePlan& plan, const QuantizeReport& report,
                       const std::vector<std::pair<uint32_t, Histogram>>& worst) {
  std::string out;
  for (const auto& [index, histogram] : worst) {
    const Tensor& tensor = plan.tensors()[index];
    const ErrorMetrics& errors = report.errors[index];
    const TensorStats& stats = histogram.stats;
    fmt::format_to(std::back_inserter(out), "<div><h3 class=\"mono\">{}</h3>{}",
                   html::text(tensor.name, 120),
                   html::bucket_chart(histogram.low, histogram.high, histogram.buckets));
    fmt::format_to(std::back_inserter(out),
                   "<p class=\"quiet small\">{} to {} · relative rmse {:.2f} % · largest error "
                   "{:.4g} · mean {:.4g} · std {:.4g}</p></div>\n",
                   name(tensor.from), name(tensor.to), 100 * errors.relative_rmse,
                   errors.max_abs_error, stats.mean, stats.std);
  }
  return out.empty() ? out : "<div class=\"columns\">" + out + "</div>";
}

void write_columns(JsonWriter& json) {
  json.key("columns").begin_array();
  html::append_column(json, "Name", "text");
  html::append_column(json, "Type", "dtype");
  html::append_column(json, "From", "dtype");
  html::append_column(json, "Shape", "shape");
  html::append_column(json, "Weights", "count");
  html::append_column(json, "Size", "bytes");
  for (const char* title : {"Cosine", "Relative rmse", "Rmse", "Largest error"})
    html::append_column(json, title, "real");
  json.end_array();
}

// The largest tensors, in the order of the file.
std::vector<uint32_t> rows_of(const QuantizePlan& plan) {
  std::vector<uint32_t> rows(plan.tensors().size());
  std::iota(rows.begin(), rows.end(), 0u);
  if (rows.size() <= html::kMostRows) return rows;
  std::ranges::stable_sort(rows, std::greater{},
                           [&](uint32_t i) { return plan.tensors()[i].size_bytes; });
  rows.resize(html::kMostRows);
  std::ranges::sort(rows);
  return rows;
}

std::string table(const QuantizePlan& plan, const QuantizeReport& report) {
  html::Numbering<DType> types;
  std::string data;
  JsonWriter json(data);
  json.begin_object();
  write_columns(json);
  json.key("rows").begin_array();
  const std::vector<uint32_t> rows = rows_of(plan);
  for (const uint32_t index : rows) {
    const Tensor& tensor = plan.tensors()[index];
    json.begin_array().value(printable(tensor.name, html::kNameColumns));
    json.value(types(tensor.to)).value(types(tensor.from));
    html::append_shape(json, tensor.shape);
    json.value(tensor.element_count).value(tensor.size_bytes);
    const ErrorMetrics& errors = report.errors[index];
    json.value(errors.cosine_similarity).value(errors.relative_rmse).value(errors.rmse);
    json.value(errors.max_abs_error).end_array();
  }
  json.end_array().key("dtypes").begin_array();
  for (const DType type : types.items()) json.value(name(type));
  json.end_array().key("files").begin_array().end_array().end_object();
  std::string note;
  if (rows.size() < plan.tensors().size())
    note = fmt::format("<p class=\"quiet\">The {} largest of {} tensors.</p>",
                       format_grouped(rows.size()), format_grouped(plan.tensors().size()));
  return html::table_section(note, "stkit quantize --report FILE.csv", std::move(data));
}

}  // namespace

std::vector<uint32_t> worst_tensors(const QuantizeReport& report, size_t count) {
  std::vector<uint32_t> order;
  for (uint32_t i = 0; i < report.errors.size(); ++i)
    if (report.errors[i].rmse > 0) order.push_back(i);
  std::ranges::stable_sort(order, std::greater{},
                           [&](uint32_t i) { return report.errors[i].relative_rmse; });
  order.resize(std::min(order.size(), count));
  return order;
}

std::string render_html(const QuantizePlan& plan, const QuantizeReport& report,
                        const std::vector<std::pair<uint32_t, Histogram>>& worst) {
  using namespace html;
  std::string out;
  const std::string& path = plan.output();
  append_head(out, path.substr(path.rfind('/') + 1), path);
  append_tags(out, plan);
  append_cards(out, plan, report);
  append_notices(out, "Notes", notices(plan, report));
  append_section(out, "Types", mix(plan));
  append_section(out, "Error by layer", ::stkit::heat_map(plan, report));
  append_section(out, "Weights of the worst tensors", histograms(plan, report, worst));
  out += table(plan, report);
  append_end(out, "stkit quantize --report");
  return out;
}

}  // namespace stkit
