#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <map>
#include <utility>

#include "ops/inspect/html.h"
#include "ops/inspect/layers.h"
#include "stkit/text.h"

namespace stkit::html {
namespace {

constexpr double kWidth = 1100;

// What one chart can show. Names are foreign, so both are also what bounds memory.
constexpr size_t kMostStacks = 1000;
constexpr size_t kMostBars = 200;
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

struct Stack {
  std::string_view name;
  uint64_t first = 0, last = 0;  // layer numbers
  uint64_t layers_a_bar = 1;
  uint64_t bytes = 0;
  std::vector<Layer> bars;

  size_t bar_of(uint64_t layer) const {
    return static_cast<size_t>((layer - first) / layers_a_bar);
  }
  std::string bar_label(size_t bar) const {
    const uint64_t from = first + bar * layers_a_bar;
    const uint64_t to = last - from < layers_a_bar ? last : from + layers_a_bar - 1;
    return from == to ? fmt::format("layer {}", from) : fmt::format("layers {} to {}", from, to);
  }
};

// Stacks by size. Layers beyond what fits side by side share a bar.
std::vector<Stack> stacks_of(const Model& model) {
  std::map<std::string_view, Stack> stacks;
  for (const TensorInfo& tensor : model.tensors()) {
    const LayerPlace place = place_of(tensor.name);
    if (place.stack.empty()) continue;
    if (stacks.size() == kMostStacks && !stacks.contains(place.stack)) continue;
    const auto [it, fresh] = stacks.try_emplace(place.stack);
    Stack& stack = it->second;
    stack.name = place.stack;
    stack.first = fresh ? place.layer : std::min(stack.first, place.layer);
    stack.last = fresh ? place.layer : std::max(stack.last, place.layer);
  }
  for (auto& [key, stack] : stacks) {
    stack.layers_a_bar = (stack.last - stack.first) / kMostBars + 1;
    stack.bars.resize(stack.bar_of(stack.last) + 1);
  }
  for (const TensorInfo& tensor : model.tensors()) {
    const LayerPlace place = place_of(tensor.name);
    const auto it = place.stack.empty() ? stacks.end() : stacks.find(place.stack);
    if (it == stacks.end()) continue;
    Layer& bar = it->second.bars[it->second.bar_of(place.layer)];
    bar.bytes[static_cast<size_t>(role_of(tensor.name))] += tensor.size_bytes;
    it->second.bytes += tensor.size_bytes;
  }
  std::vector<Stack> sorted;
  for (auto& [key, stack] : stacks) sorted.push_back(std::move(stack));
  std::ranges::sort(sorted, std::ranges::greater{},
                    [](const Stack& stack) { return std::pair(stack.bytes, stack.name); });
  return sorted;
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
  double bar_step(size_t bars) const { return std::min(width / static_cast<double>(bars), 64.0); }
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

void draw_layer_numbers(std::string& out, const Stack& stack, double left, double step, double y) {
  // A number wants some 34 units.
  size_t every = 1;
  while (static_cast<double>(every) * step < 34) every = every % 2 == 0 ? every * 5 / 2 : every * 2;
  for (size_t bar = 0; bar < stack.bars.size(); bar += every)
    fmt::format_to(
        std::back_inserter(out), R"(<text x="{:.2f}" y="{:.2f}" text-anchor="middle">{}</text>)",
        left + (static_cast<double>(bar) + 0.5) * step, y, stack.first + bar * stack.layers_a_bar);
}

void draw_bar(std::string& out, const Plot& plot, const Stack& stack, size_t bar, double largest) {
  const Layer& layer = stack.bars[bar];
  const double step = plot.bar_step(stack.bars.size());
  const double x = plot.left + static_cast<double>(bar) * step;
  double y = plot.top + plot.height;
  std::string tip = fmt::format("{}: {}", stack.bar_label(bar), format_bytes(layer.total()));
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

std::string stack_chart(const Stack& stack) {
  const Plot plot;
  uint64_t most = 1;
  std::array<uint64_t, kTensorRoles> by_role{};
  for (const Layer& layer : stack.bars) {
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
  for (size_t bar = 0; bar < stack.bars.size(); ++bar) draw_bar(out, plot, stack, bar, largest);
  draw_layer_numbers(out, stack, plot.left, plot.bar_step(stack.bars.size()), bottom + 18);
  out += "</svg><ul class=\"legend\">";
  for (size_t role = 0; role < kTensorRoles; ++role)
    if (by_role[role] > 0)
      fmt::format_to(std::back_inserter(out), R"(<li><span class="key f{}"></span>{}</li>)", role,
                     name(static_cast<TensorRole>(role)));
  return out + "</ul>\n";
}

// Parts of a layer that differ in a number only ("experts.17.up_proj.weight") are one row.
std::string without_numbers(std::string_view part) {
  std::string out;
  for (size_t begin = 0; begin <= part.size();) {
    const size_t end = std::min(part.find('.', begin), part.size());
    const std::string_view component = part.substr(begin, end - begin);
    if (begin > 0) out += '.';
    const bool number =
        !component.empty() && component.find_first_not_of("0123456789") == component.npos;
    out += number ? "*" : component;
    begin = end + 1;
  }
  return out;
}

struct Cell {
  double variance = 0;  // summed over tensors
  uint64_t tensors = 0;
  uint64_t faults = 0;  // NaN and infinite values

  double deviation() const { return std::sqrt(variance / static_cast<double>(tensors)); }
};

using HeatRows = std::map<std::string, std::vector<Cell>>;

HeatRows heat_rows(const Model& model, const InspectReport& report, const Stack& stack) {
  HeatRows rows;
  for (size_t i = 0; i < report.stats.size(); ++i) {
    const LayerPlace place = place_of(model.tensors()[i].name);
    if (!report.stats[i] || place.stack != stack.name) continue;
    std::string part = without_numbers(place.part);
    if (rows.size() == kShownParts && !rows.contains(part)) continue;
    auto& cells = rows[std::move(part)];
    cells.resize(stack.bars.size());
    Cell& cell = cells[stack.bar_of(place.layer)];
    const TensorStats& stats = *report.stats[i];
    cell.faults += stats.nan + stats.inf;
    if (!std::isfinite(stats.std)) continue;
    cell.variance += stats.std * stats.std;
    ++cell.tensors;
  }
  return rows;
}

// Deviations span decades, so shades are even steps of their logarithm.
struct Shades {
  double low = 0, high = 0;

  explicit Shades(const HeatRows& rows) {
    bool first = true;
    for (const auto& [part, cells] : rows)
      for (const Cell& cell : cells) {
        if (cell.tensors == 0 || cell.deviation() <= 0) continue;
        const double value = std::log(cell.deviation());
        low = first ? value : std::min(low, value);
        high = first ? value : std::max(high, value);
        first = false;
      }
  }
  double opacity(double deviation) const {
    if (deviation <= 0) return 0.04;
    return high > low ? 0.12 + 0.88 * (std::log(deviation) - low) / (high - low) : 0.5;
  }
};

void draw_cells(std::string& out, const Stack& stack, std::string_view part,
                const std::vector<Cell>& cells, const Shades& shades, double y) {
  constexpr double kLeft = 300, kRow = 20;
  const double step = std::min((kWidth - kLeft) / static_cast<double>(cells.size()), 64.0);
  fmt::format_to(std::back_inserter(out),
                 R"(<text class="strong" x="{}" y="{}" text-anchor="end">{}</text>)", kLeft - 10,
                 y + 14, text(part, 42));
  for (size_t bar = 0; bar < cells.size(); ++bar) {
    const Cell& cell = cells[bar];
    if (cell.tensors == 0 && cell.faults == 0) continue;
    const double deviation = cell.tensors == 0 ? 0 : cell.deviation();
    fmt::format_to(
        std::back_inserter(out),
        R"(<rect class="f0{}" x="{:.2f}" y="{}" width="{:.2f}" height="{}" rx="2" fill-opacity="{:.3f}"><title>{}, {}: std {:.4g}{}</title></rect>)",
        cell.faults > 0 ? " fault" : "", kLeft + static_cast<double>(bar) * step, y,
        std::max(step - 1.5, 1.0), kRow - 2, shades.opacity(deviation), stack.bar_label(bar),
        text(part, 80), deviation,
        cell.faults > 0 ? fmt::format("\n{} NaN or infinite", format_grouped(cell.faults)) : "");
  }
}

}  // namespace

std::string layer_charts(const Model& model) {
  const std::vector<Stack> stacks = stacks_of(model);
  std::string out;
  for (size_t i = 0; i < std::min(stacks.size(), kShownStacks); ++i) out += stack_chart(stacks[i]);
  if (stacks.size() > kShownStacks)
    out += fmt::format("<p class=\"quiet small\">and {} smaller stacks</p>",
                       stacks.size() - kShownStacks);
  return out;
}

std::string heat_map(const Model& model, const InspectReport& report) {
  if (report.stats.empty()) return {};
  const std::vector<Stack> stacks = stacks_of(model);
  if (stacks.empty()) return {};
  const Stack& stack = stacks.front();
  const HeatRows rows = heat_rows(model, report, stack);
  if (rows.empty()) return {};

  constexpr double kLeft = 300, kRow = 20;
  const Shades shades(rows);
  const double bottom = kRow * static_cast<double>(rows.size());
  std::string out = fmt::format(
      R"(<svg viewBox="0 0 {} {}" role="img" aria-label="standard deviation by layer and part">)",
      kWidth, bottom + 24);
  double y = 0;
  for (const auto& [part, cells] : rows) {
    draw_cells(out, stack, part, cells, shades, y);
    y += kRow;
  }
  const double step = std::min((kWidth - kLeft) / static_cast<double>(stack.bars.size()), 64.0);
  draw_layer_numbers(out, stack, kLeft, step, bottom + 16);
  return out + fmt::format(
                   "</svg><p class=\"quiet small\">Standard deviation of the weights of "
                   "<span class=\"mono\">{}</span>: {:.3g} (pale) to {:.3g} (full), logarithmic. "
                   "Red frames hold NaN or infinite values.</p>\n",
                   text(stack.name, 80), std::exp(shades.low), std::exp(shades.high));
}

}  // namespace stkit::html
