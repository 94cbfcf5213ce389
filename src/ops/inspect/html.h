// The parts of the page that `inspect --html` writes. Everything that comes from a model goes
// through `text`, and the page's policy allows no script but its own, by digest.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "stkit/inspect.h"

namespace stkit::html {

extern const std::string_view kStyle;
extern const std::string_view kScript;

// Foreign text for element content and quoted attributes: control and reordering characters made
// visible, markup made harmless. Longer text is cut in its middle.
std::string text(std::string_view foreign, size_t columns = 400);

// "12.5 %"; what is nearly nothing or nearly all says so.
std::string percent(double fraction);

// JSON for a <script type="application/json"> element: no '<' in it, so it cannot close one.
std::string script_json(std::string json);

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
