// What inspect found, as text for people.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "output.h"
#include "stkit/inspect.h"
#include "stkit/json.h"
#include "terminal.h"

namespace stkit::cli {

void render_summary(Output& out, const Terminal& terminal, const Model& model,
                    const InspectReport& report);
void render_tensor_table(Output& out, const Terminal& terminal, const Model& model,
                         const InspectReport& report, std::span<const uint32_t> selected);
void render_tree(Output& out, const Terminal& terminal, const Model& model,
                 std::span<const uint32_t> selected);
void render_metadata(Output& out, const Terminal& terminal, const Model& model);

struct TensorDetail {
  const TensorInfo* tensor;
  std::vector<double> values;
  std::optional<TensorStats> stats;
};
void render_tensor(Output& out, const Terminal& terminal, const Model& model,
                   const TensorDetail& detail);
void write_json(JsonWriter& json, const Model& model, const TensorDetail& detail);

void render_histogram(Output& out, const Terminal& terminal, std::string_view tensor,
                      const Histogram& histogram);
void write_json(JsonWriter& json, const Model& model, std::string_view tensor,
                const Histogram& histogram);

void render_diff(Output& out, const Terminal& terminal, std::string_view left,
                 std::string_view right, const DiffReport& report);

// "[151936, 1024]"
std::string shape_text(Shape shape);
// "1.25", "-3.4e-05": what matters of a value, in a few characters.
std::string value_text(double value);

}  // namespace stkit::cli
