// The parts of the page that `inspect --html` writes, in terms of html/page.h.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "stkit/inspect.h"

namespace stkit::html {

// Charts, as SVG elements with their legends.
std::string dtype_chart(const InspectReport& report);
std::string role_chart(const Model& model);
std::string layer_charts(const Model& model);
std::string isq_chart(const InspectReport& report);
std::string heat_map(const Model& model, const InspectReport& report);  // empty without statistics
std::string histogram_chart(std::string_view tensor, const Histogram& histogram);

// The searchable table, with its data.
std::string tensor_table(const Model& model, const InspectReport& report);

}  // namespace stkit::html
