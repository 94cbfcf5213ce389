#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <map>
#include <utility>

#include "html/charts.h"
#include "html/page.h"
#include "model/layer_stacks.h"
#include "model/layers.h"
#include "ops/inspect/html.h"
#include "stkit/text.h"

namespace stkit::html {
namespace {

constexpr double kWidth = 1100;

constexpr size_t kShownStacks = 6;
constexpr size_t kShownParts = 24;

struct Layer {
  std::array<uint64_t, kTensorRoles> bytes{};

  uint64_t total() const {
    uint64_t sum = 0;
    for (const uint64_t part : bytes) sum += part;
    return sum;
  }
};

std::vector<LayerStack> stacks_of(const Model& model) {
  std::vector<SizedName> tensors;
  for (const TensorInfo& tensor : model.tensors())
    tensors.push_back({tensor.name, tensor.size_bytes});
  return layer_stacks(tensors);
}

// By column.
std::vector<Layer> layers_of(const Model& model, const LayerStack& stack) {
  std::vector<Layer> layers(stack.columns());
  for (const TensorInfo& tensor : model.tensors()) {
    const LayerPlace place = place_of(tensor.name);
    if (place.stack == stack.name)
      layers[stack.column_of(place.layer)].bytes[static_cast<size_t>(role_of(tensor.name))] +=
          tensor.size_bytes;
  }
  return layers;
}

LayerAxis axis_of(const LayerStack& stack) {
  return {stack.first, stack.layers_a_column, stack.columns()};
}

// The distance of grid lines: 1, 2, 5, 10, 20, 50, ... of a binary unit, three to six of them.
double grid_step(double largest) {
  double unit = 1;
  while (largest / unit >= 1024) unit *= 1024;
  for (double ten = 1;; ten *= 10)
    for (const double digit : {1.0, 2.0, 5.0})
      if (largest / (digit * ten * unit) <= 5) return digit * ten * unit;
}

struct Plot {
  double left = 76, top = 8, height = 190, width = kWidth - 76;
  double bar_step(size_t bars) const {
    return std::min(width / static_cast<double>(bars), kWidestColumn);
  }
};

void draw_grid(std::string& out, const Plot& plot, double largest) {
  const double step = grid_step(largest);
  for (double value = 0; value <= largest; value += step) {
    const double y = plot.top + plot.height * (1 - value / largest);
    fmt::format_to(
        std::back_inserter(out),
        R"(<line class="axis" x1="{}" x2="{}" y1="{:.2f}" y2="{:.2f}"/><text x="{}" y="{:.2f}" text-anchor="end">{}</text>)",
        plot.left, kWidth, y, y, plot.left - 8, y + 4, format_bytes(static_cast<uint64_t>(value)));
  }
}

void draw_bar(std::string& out, const Plot& plot, const LayerStack& stack, size_t bar,
              const Layer& layer, double largest) {
  const double step = plot.bar_step(stack.columns());
  const double x = plot.left + static_cast<double>(bar) * step;
  double y = plot.top + plot.height;
  std::string tip = fmt::format("{}: {}", stack.column_label(bar), format_bytes(layer.total()));
  out += "<g>";
  for (size_t role = 0; role < kTensorRoles; ++role) {
    if (layer.bytes[role] == 0) continue;
    const double height = plot.height * static_cast<double>(layer.bytes[role]) / largest;
    y -= height;
    fmt::format_to(std::back_inserter(out),
                   R"(<rect class="f{}" x="{:.2f}" y="{:.2f}" width="{:.2f}" height="{:.2f}"/>)",
                   role, x + step * 0.1, y, step * 0.8, height);
    fmt::format_to(std::back_inserter(tip), "\n{} {}", name(static_cast<TensorRole>(role)),
                   format_bytes(layer.bytes[role]));
  }
  fmt::format_to(
      std::back_inserter(out),
      R"(<rect class="hit" x="{:.2f}" y="{}" width="{:.2f}" height="{}"/><title>{}</title></g>)", x,
      plot.top, step, plot.height, tip);
}

std::string stack_chart(const Model& model, const LayerStack& stack) {
  const Plot plot;
  const std::vector<Layer> layers = layers_of(model, stack);
  uint64_t most = 1;
  std::array<uint64_t, kTensorRoles> by_role{};
  for (const Layer& layer : layers) {
    most = std::max(most, layer.total());
    for (size_t role = 0; role < kTensorRoles; ++role) by_role[role] += layer.bytes[role];
  }
  const auto largest = static_cast<double>(most);
  const double bottom = plot.top + plot.height;
  std::string out = fmt::format(
      R"(<h3><span class="mono">{}</span> · layers {} to {} · {}</h3><svg viewBox="0 0 {} {}" role="img" aria-label="bytes by layer">)",
      text(stack.name, 80), stack.first, stack.last, format_bytes(stack.bytes), kWidth,
      bottom + 24);
  draw_grid(out, plot, largest);
  for (size_t bar = 0; bar < layers.size(); ++bar)
    draw_bar(out, plot, stack, bar, layers[bar], largest);
  append_layer_numbers(out, axis_of(stack), plot.left, plot.bar_step(layers.size()), bottom + 18);
  out += "</svg><ul class=\"legend\">";
  for (size_t role = 0; role < kTensorRoles; ++role)
    if (by_role[role] > 0)
      fmt::format_to(std::back_inserter(out), R"(<li><span class="key f{}"></span>{}</li>)", role,
                     name(static_cast<TensorRole>(role)));
  return out + "</ul>\n";
}

struct Cell {
  double variance = 0;  // summed over tensors
  uint64_t tensors = 0;
  uint64_t faults = 0;  // NaN and infinite values

  double deviation() const {
    return tensors == 0 ? 0 : std::sqrt(variance / static_cast<double>(tensors));
  }
};

using HeatRows = std::map<std::string, std::vector<Cell>>;

HeatRows heat_rows(const Model& model, const InspectReport& report, const LayerStack& stack) {
  HeatRows rows;
  for (size_t i = 0; i < report.stats.size(); ++i) {
    const LayerPlace place = place_of(model.tensors()[i].name);
    if (!report.stats[i] || place.stack != stack.name) continue;
    std::string part = without_numbers(place.part);
    if (rows.size() == kShownParts && !rows.contains(part)) continue;
    auto& cells = rows[std::move(part)];
    cells.resize(stack.columns());
    Cell& cell = cells[stack.column_of(place.layer)];
    const TensorStats& stats = *report.stats[i];
    cell.faults += stats.nan + stats.inf;
    if (!std::isfinite(stats.std)) continue;
    cell.variance += stats.std * stats.std;
    ++cell.tensors;
  }
  return rows;
}

HeatMap::Cell drawn(const Cell& cell, std::string_view layer, std::string_view part) {
  return {.shown = cell.tensors > 0 || cell.faults > 0,
          .framed = cell.faults > 0,
          .value = cell.deviation(),
          .tip = fmt::format(
              "{}, {}: std {:.4g}{}", layer, text(part, 80), cell.deviation(),
              cell.faults == 0 ? ""
                               : fmt::format("\n{} NaN or infinite", format_grouped(cell.faults)))};
}

}  // namespace

std::string layer_charts(const Model& model) {
  const std::vector<LayerStack> stacks = stacks_of(model);
  std::string out;
  for (size_t i = 0; i < std::min(stacks.size(), kShownStacks); ++i)
    out += stack_chart(model, stacks[i]);
  if (stacks.size() > kShownStacks)
    out += fmt::format("<p class=\"quiet small\">and {} smaller stacks</p>",
                       stacks.size() - kShownStacks);
  return out;
}

std::string heat_map(const Model& model, const InspectReport& report) {
  if (report.stats.empty()) return {};
  const std::vector<LayerStack> stacks = stacks_of(model);
  if (stacks.empty()) return {};
  const LayerStack& stack = stacks.front();
  HeatMap map{"standard deviation by layer and part", axis_of(stack), {}};
  for (const auto& [part, cells] : heat_rows(model, report, stack)) {
    HeatMap::Row& row = map.rows.emplace_back(HeatMap::Row{text(part, 42), {}});
    for (size_t i = 0; i < cells.size(); ++i)
      row.cells.push_back(drawn(cells[i], stack.column_label(i), part));
  }
  if (map.rows.empty()) return {};
  const auto [low, high] = map.range();
  return heat_map(map) +
         fmt::format(
             "<p class=\"quiet small\">Standard deviation of the weights of "
             "<span class=\"mono\">{}</span>: {:.3g} (pale) to {:.3g} (full), logarithmic. "
             "Red frames hold NaN or infinite values.</p>\n",
             text(stack.name, 80), low, high);
}

}  // namespace stkit::html
