#include "model/layer_stacks.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "model/layers.h"

namespace stkit {
namespace {

constexpr size_t kMostStacks = 1000;
constexpr size_t kMostColumns = 200;

}  // namespace

std::string LayerStack::column_label(size_t column) const {
  const uint64_t from = first + column * layers_a_column;
  const uint64_t to = last - from < layers_a_column ? last : from + layers_a_column - 1;
  return from == to ? fmt::format("layer {}", from) : fmt::format("layers {} to {}", from, to);
}

std::vector<LayerStack> layer_stacks(std::span<const SizedName> tensors) {
  std::map<std::string_view, LayerStack> stacks;
  for (const SizedName& tensor : tensors) {
    const LayerPlace place = place_of(tensor.name);
    if (place.stack.empty()) continue;
    if (stacks.size() == kMostStacks && !stacks.contains(place.stack)) continue;
    const auto [it, fresh] = stacks.try_emplace(place.stack);
    LayerStack& stack = it->second;
    stack.name = place.stack;
    stack.first = fresh ? place.layer : std::min(stack.first, place.layer);
    stack.last = fresh ? place.layer : std::max(stack.last, place.layer);
    stack.bytes += tensor.bytes;
  }
  std::vector<LayerStack> sorted;
  for (auto& [key, stack] : stacks) {
    stack.layers_a_column = (stack.last - stack.first) / kMostColumns + 1;
    sorted.push_back(stack);
  }
  std::ranges::sort(sorted, std::ranges::greater{},
                    [](const LayerStack& stack) { return std::pair(stack.bytes, stack.name); });
  return sorted;
}

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

}  // namespace stkit
