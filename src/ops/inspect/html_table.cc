#include <fmt/format.h>

#include <algorithm>

#include "html/table.h"
#include "ops/inspect/html.h"
#include "stkit/json.h"
#include "stkit/text.h"

namespace stkit::html {
namespace {

// The largest tensors, in the order of their names.
std::vector<uint32_t> rows_of(const Model& model) {
  std::vector<uint32_t> rows = select_tensors(model, "*", Sort::Size);
  rows.resize(std::min(rows.size(), kMostRows));
  std::ranges::sort(rows, [&](uint32_t a, uint32_t b) {
    return natural_less(model.tensors()[a].name, model.tensors()[b].name);
  });
  return rows;
}

void write_columns(JsonWriter& json, bool with_stats) {
  json.key("columns").begin_array();
  append_column(json, "Name", "text");
  append_column(json, "Type", "dtype");
  append_column(json, "Shape", "shape");
  append_column(json, "Parameters", "count");
  append_column(json, "Size", "bytes");
  if (with_stats) {
    for (const char* title : {"Min", "Max", "Mean", "Std"}) append_column(json, title, "real");
    for (const char* title : {"NaN", "Inf"}) append_column(json, title, "fault");
    append_column(json, "Zeros", "count");
  }
  append_column(json, "File", "file");
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
    append_shape(json, tensor.shape);
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
  return out;
}

}  // namespace

std::string tensor_table(const Model& model, const InspectReport& report) {
  const std::vector<uint32_t> rows = rows_of(model);
  std::string note;
  if (rows.size() < model.tensors().size())
    note = fmt::format(
        "<p class=\"quiet\">The {} largest of {} tensors. All of them: "
        "<code>stkit inspect --tensors --json</code>.</p>",
        format_grouped(rows.size()), format_grouped(model.tensors().size()));
  return table_section(note, "stkit inspect --tensors", table_data(model, report, rows));
}

}  // namespace stkit::html
