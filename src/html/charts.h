// Charts as SVG elements with their legends. Labels and tips are HTML: foreign text goes through
// html::text first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace stkit::html {

// The style sheet's colour classes f0 to f9.
inline constexpr size_t kColours = 10;

struct Part {
  std::string label;
  size_t colour = 0;
  uint64_t bytes = 0;
  std::string note;
};

// One bar cut in parts, and a table that names them.
std::string stacked_bar(std::string_view description, std::span<const Part> parts);

// How often values fall between `low` and `high`, in buckets of one width.
std::string bucket_chart(double low, double high, std::span<const uint64_t> buckets);

// Columns that stand for layers: all of one number of layers, the first from `first_layer` on.
struct LayerAxis {
  uint64_t first_layer = 0;
  uint64_t layers_a_column = 1;
  size_t columns = 0;
};
inline constexpr double kWidestColumn = 64;
// The numbers of as many layers as there is room for, in the middle of their columns.
void append_layer_numbers(std::string& out, const LayerAxis& axis, double left, double step,
                          double y);

// A value for each layer and part of a layer, as a shade. Shades are even steps of the values'
// logarithm, since what is shown spans decades.
struct HeatMap {
  struct Cell {
    bool shown = false;
    bool framed = false;  // in red
    double value = 0;     // a pale shade when it is not positive
    std::string tip;
  };
  struct Row {
    std::string label;
    std::vector<Cell> cells;  // by column
  };
  std::string_view description;
  LayerAxis axis;
  std::vector<Row> rows;

  // The least and the largest of the positive values; {1, 1} without any.
  std::pair<double, double> range() const;
};
std::string heat_map(const HeatMap& map);

}  // namespace stkit::html
