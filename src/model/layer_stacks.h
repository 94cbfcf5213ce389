// The stacks of layers that a model's tensors make, as columns of a chart.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace stkit {

struct LayerStack {
  std::string_view name;
  uint64_t first = 0, last = 0;  // layer numbers
  uint64_t layers_a_column = 1;
  uint64_t bytes = 0;

  size_t columns() const { return column_of(last) + 1; }
  size_t column_of(uint64_t layer) const {
    return static_cast<size_t>((layer - first) / layers_a_column);
  }
  std::string column_label(size_t column) const;  // "layer 3", "layers 4 to 7"
};

struct SizedName {
  std::string_view name;
  uint64_t bytes = 0;
};

// By size, the largest first. Layers beyond what fits side by side share a column; names are
// foreign, so that and a bound on the number of stacks are also what bounds memory.
std::vector<LayerStack> layer_stacks(std::span<const SizedName> tensors);

// Parts of a layer that differ in a number only are one: "experts.*.up_proj.weight".
std::string without_numbers(std::string_view part);

}  // namespace stkit
