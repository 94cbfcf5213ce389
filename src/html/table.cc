#include "html/table.h"

#include <fmt/format.h>

#include <algorithm>

namespace stkit::html {
namespace {

constexpr size_t kMostDimensions = 16;

constexpr std::string_view kTable = R"html(
<div class="tools">
<input type="search" id="search" placeholder="Search names, e.g. layers.3 proj" aria-label="Search tensor names">
<select id="dtype" aria-label="Data type"><option value="">all types</option></select>
<span id="shown" class="quiet small" role="status"></span>
</div>
<div class="scroll"><table>
<thead><tr id="head"></tr></thead>
<tbody id="rows"></tbody>
</table></div>
<div class="pages"><button id="previous" type="button">Previous</button><span id="page" class="quiet small"></span><button id="next" type="button">Next</button></div>
)html";

// For a <script type="application/json"> element, which it cannot close.
std::string script_json(std::string json) {
  // '<' occurs inside of JSON strings only, where it may be written as an escape.
  std::string safe;
  safe.reserve(json.size());
  for (const char c : json) {
    if (c == '<')
      safe += "\\u003c";
    else
      safe += c;
  }
  return safe;
}

}  // namespace

void append_column(JsonWriter& json, std::string_view title, std::string_view kind) {
  json.begin_object().field("title", title).field("kind", kind).end_object();
}

void append_shape(JsonWriter& json, Shape shape) {
  json.begin_array();
  for (const uint64_t dimension : shape.first(std::min(shape.size(), kMostDimensions)))
    json.value(dimension);
  if (shape.size() > kMostDimensions) json.value("…");
  json.end_array();
}

std::string table_section(std::string_view note, std::string_view command, std::string json) {
  return fmt::format(
      "<section id=\"tensor-table\"><h2>Tensors</h2>{}{}"
      "<noscript><p class=\"quiet\">The table needs JavaScript; <code>{}</code> prints it.</p>"
      "</noscript>\n<script type=\"application/json\" id=\"tensors\">{}</script></section>\n",
      note, kTable, command, script_json(std::move(json)));
}

}  // namespace stkit::html
