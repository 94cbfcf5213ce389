#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "ops/inspect/html.h"
#include "stkit/json.h"
#include "stkit/text.h"

namespace stkit::html {
namespace {

// Some 2 MB of page, which browsers open at once.
constexpr size_t kMostRows = 20'000;
constexpr size_t kNameColumns = 200;
constexpr size_t kMostDimensions = 16;

// The largest tensors, in the order of their names.
std::vector<uint32_t> rows_of(const Model& model) {
  std::vector<uint32_t> rows = select_tensors(model, "*", Sort::Size);
  rows.resize(std::min(rows.size(), kMostRows));
  std::ranges::sort(rows, [&](uint32_t a, uint32_t b) {
    return natural_less(model.tensors()[a].name, model.tensors()[b].name);
  });
  return rows;
}

// Indices into a list that holds every item once, in the order in which they came.
template <class Key>
class Numbering {
 public:
  size_t operator()(const Key& key) {
    const auto [place, fresh] = numbers_.try_emplace(key, items_.size());
    if (fresh) items_.push_back(key);
    return place->second;
  }
  const std::vector<Key>& items() const { return items_; }

 private:
  std::map<Key, size_t> numbers_;
  std::vector<Key> items_;
};

void write_columns(JsonWriter& json, bool with_stats) {
  const auto column = [&](const char* title, const char* kind) {
    json.begin_object().field("title", title).field("kind", kind).end_object();
  };
  json.key("columns").begin_array();
  column("Name", "text");
  column("Type", "dtype");
  column("Shape", "shape");
  column("Parameters", "count");
  column("Size", "bytes");
  if (with_stats) {
    for (const char* title : {"Min", "Max", "Mean", "Std"}) column(title, "real");
    for (const char* title : {"NaN", "Inf"}) column(title, "fault");
    column("Zeros", "count");
  }
  column("File", "file");
  json.end_array();
}

void write_shape(JsonWriter& json, Shape shape) {
  json.begin_array();
  for (const uint64_t dimension : shape.first(std::min(shape.size(), kMostDimensions)))
    json.value(dimension);
  if (shape.size() > kMostDimensions) json.value("…");
  json.end_array();
}

void write_stats(JsonWriter& json, const std::optional<TensorStats>& stats) {
  if (!stats) {
    for (int i = 0; i < 7; ++i) json.null();
    return;
  }
  json.value(stats->min).value(stats->max).value(stats->mean).value(stats->std);
  json.value(stats->nan).value(stats->inf).value(stats->zero);
}

std::string table_data(const Model& model, const InspectReport& report,
                       std::span<const uint32_t> rows) {
  const bool with_stats = !report.stats.empty();
  Numbering<DType> types;
  Numbering<uint32_t> files;
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  write_columns(json, with_stats);
  json.key("rows").begin_array();
  for (const uint32_t index : rows) {
    const TensorInfo& tensor = model.tensors()[index];
    json.begin_array().value(printable(tensor.name, kNameColumns)).value(types(tensor.dtype));
    write_shape(json, tensor.shape);
    json.value(tensor.element_count).value(tensor.size_bytes);
    if (with_stats)
      write_stats(json, index < report.stats.size() ? report.stats[index] : std::nullopt);
    json.value(files(tensor.file)).end_array();
  }
  json.end_array().key("dtypes").begin_array();
  for (const DType dtype : types.items()) json.value(name(dtype));
  json.end_array().key("files").begin_array();
  for (const uint32_t file : files.items())
    json.value(printable(model.files()[file].name, kNameColumns));
  json.end_array().end_object();
  return script_json(std::move(out));
}

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
<noscript><p class="quiet">The table needs JavaScript; <code>stkit inspect --tensors</code> prints it.</p></noscript>
)html";

}  // namespace

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

std::string tensor_table(const Model& model, const InspectReport& report) {
  const std::vector<uint32_t> rows = rows_of(model);
  std::string out = "<section id=\"tensor-table\"><h2>Tensors</h2>";
  if (rows.size() < model.tensors().size())
    out += fmt::format(
        "<p class=\"quiet\">The {} largest of {} tensors. All of them: "
        "<code>stkit inspect --tensors --json</code>.</p>",
        format_grouped(rows.size()), format_grouped(model.tensors().size()));
  out += kTable;
  out += "<script type=\"application/json\" id=\"tensors\">";
  out += table_data(model, report, rows);
  return out + "</script></section>\n";
}

}  // namespace stkit::html
