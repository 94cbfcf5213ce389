#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "html/page.h"
#include "ops/inspect/html.h"
#include "stkit/text.h"

namespace stkit {
namespace html {
namespace {

constexpr size_t kMostMetadata = 200;
constexpr size_t kMostFiles = 500;
constexpr size_t kMostOpenFiles = 16;  // more would push the tensors out of sight

void append_tags(std::string& out, const Model& model, const Profile& profile) {
  out += "<ul class=\"tags\">";
  append_tag(out, "format", name(model.format()));
  append_tag(out, "architecture", profile.architecture);
  append_tag(out, "type", profile.model_type);
  append_tag(out, "modality", profile.modality);
  append_tag(out, "quantization", profile.quantization);
  if (profile.base_model_name != model.name())
    append_tag(out, "base model", profile.base_model_name);
  out += "</ul>\n";
}

void append_cards(std::string& out, const InspectReport& report) {
  const Profile& profile = report.profile;
  out += "<div class=\"cards\">";
  append_card(out, "Parameters", format_count(report.parameter_count),
              format_grouped(report.parameter_count));
  append_card(out, "Size", format_bytes(report.total_bytes),
              fmt::format("{} B", format_grouped(report.total_bytes)));
  append_card(out, "Tensors", format_grouped(report.tensor_count),
              fmt::format("in {}", counted(report.shard_count, "file")));
  const auto main_type = std::ranges::max_element(
      report.dtypes, {}, [](const auto& entry) { return entry.second.bytes; });
  if (main_type != report.dtypes.end() && report.weight_bytes > 0)
    append_card(out, "Precision", name(main_type->first),
                percent(static_cast<double>(main_type->second.bytes) /
                        static_cast<double>(report.weight_bytes)) +
                    " of all bytes");
  if (profile.config.layers > 0)
    append_card(out, "Layers", format_grouped(profile.config.layers),
                profile.config.hidden_size == 0
                    ? std::string()
                    : fmt::format("{} wide", format_grouped(profile.config.hidden_size)));
  if (!profile.quantization.empty())
    append_card(out, "Quantization", text(profile.quantization, 24), "in the weights already");
  else if (profile.requires_isq)
    append_card(out, "Quantization", "none", "plain weights");
  out += "</div>\n";
}

std::string configuration(const InspectReport& report) {
  const ConfigSummary& config = report.profile.config;
  const struct {
    std::string_view label;
    uint64_t value;
  } numbers[] = {{"Layers", config.layers},
                 {"Hidden size", config.hidden_size},
                 {"Attention heads", config.heads},
                 {"Key/value heads", config.kv_heads},
                 {"Experts", config.experts},
                 {"Vocabulary", config.vocab_size},
                 {"Context length", config.context_length}};
  std::string rows;
  for (const auto& number : numbers)
    if (number.value > 0) append_fact(rows, number.label, format_grouped(number.value));
  append_fact(rows, "Weights", counted(report.weight_bytes, "byte"));
  append_fact(rows, "Headers", counted(report.header_bytes, "byte"));
  append_fact(rows, "Other bytes", counted(report.unaccounted_bytes, "byte"));
  return "<table class=\"facts\">" + rows + "</table>";
}

std::string metadata(const Model& model) {
  if (model.metadata().empty()) return {};
  std::string rows;
  size_t shown = 0;
  for (const auto& [key, value] : model.metadata()) {
    if (shown++ == kMostMetadata) break;
    append_fact(rows, text(key, 80), text(value, 1000));
  }
  if (model.metadata().size() > kMostMetadata)
    append_fact(rows, "…", counted(model.metadata().size() - kMostMetadata, "more key"));
  return "<div class=\"scroll\"><table class=\"facts\">" + rows + "</table></div>";
}

std::string files(const Model& model) {
  std::string out =
      R"(<div class="scroll"><table class="plain"><thead><tr><th>Name</th><th>Role</th><th class="number">Tensors</th><th class="number">Size</th></tr></thead><tbody>)";
  size_t shown = 0;
  for (const ModelFile& file : model.files()) {
    if (shown++ == kMostFiles) break;
    fmt::format_to(
        std::back_inserter(out),
        R"(<tr><td class="mono">{}</td><td class="quiet">{}</td><td class="number">{}</td><td class="number">{}</td></tr>)",
        text(file.name, 160), name(file.role),
        file.role == FileRole::Weights ? format_grouped(file.tensor_count) : "",
        format_bytes(file.size_bytes));
  }
  out += "</tbody></table></div>";
  if (model.files().size() > kMostFiles)
    fmt::format_to(std::back_inserter(out), "<p class=\"quiet\">and {}</p>",
                   counted(model.files().size() - kMostFiles, "more file"));
  if (model.files().size() <= kMostOpenFiles) return out;
  return fmt::format("<details><summary>{}</summary>{}</details>",
                     counted(model.files().size(), "file"), out);
}

}  // namespace
}  // namespace html

std::string render_html(const Model& model, const InspectReport& report,
                        const std::vector<std::pair<std::string, Histogram>>& histograms) {
  using namespace html;
  std::string out;
  append_head(out, model.name(), model.reference());
  append_tags(out, model, report.profile);
  append_cards(out, report);
  append_notices(out, "Warnings", report.warnings);
  append_notices(out, "Missing files", report.missing_files);

  out += "<div class=\"columns\">\n";
  append_section(out, "Data types", dtype_chart(report));
  append_section(out, "Roles", role_chart(model));
  out += "</div>\n";
  append_section(out, "Size by layer", layer_charts(model));
  append_section(out, "Spread of the weights", heat_map(model, report));
  out += "<div class=\"columns\">\n";
  if (!report.isq.choices.empty())
    append_section(out, "Size after quantization", isq_chart(report));
  append_section(out, "Configuration and bytes", configuration(report));
  out += "</div>\n";

  std::string charts;
  for (const auto& [tensor, histogram] : histograms)
    charts += "<div>" + histogram_chart(tensor, histogram) + "</div>";
  if (!charts.empty())
    append_section(out, "Histograms", "<div class=\"columns\">" + charts + "</div>");
  append_section(out, "Metadata", metadata(model));
  append_section(out, "Files", files(model));
  out += tensor_table(model, report);
  append_end(out, "stkit inspect --html");
  return out;
}

}  // namespace stkit
