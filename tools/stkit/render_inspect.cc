#include "render_inspect.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "stkit/text.h"
#include "table.h"

namespace stkit::cli {
namespace {

// "3.21 K (3,210)", and small numbers once.
std::string rounded_and_exact(std::string rounded, uint64_t exact) {
  const std::string grouped = format_grouped(exact);
  return rounded == grouped ? rounded : fmt::format("{} ({})", rounded, grouped);
}

std::string known_from(const std::string& text, const std::string& source) {
  return source.empty() ? text : fmt::format("{} (from {})", text, source);
}

std::string config_text(const ConfigSummary& config) {
  std::vector<std::string> parts;
  const auto add = [&](uint64_t number, std::string_view word) {
    if (number > 0) parts.push_back(fmt::format("{} {}", format_grouped(number), word));
  };
  const auto add_counted = [&](uint64_t number, std::string_view noun) {
    if (number > 0) parts.push_back(counted(number, noun));
  };
  add_counted(config.layers, "layer");
  add(config.hidden_size, "hidden");
  add_counted(config.heads, "head");
  if (config.kv_heads != config.heads) add_counted(config.kv_heads, "kv head");
  add_counted(config.experts, "expert");
  add(config.vocab_size, "vocabulary");
  add(config.context_length, "context");
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string size_text(const InspectReport& report) {
  std::string text =
      fmt::format("{} ({} weights, {} headers", format_bytes(report.total_bytes),
                  format_bytes(report.weight_bytes), format_bytes(report.header_bytes));
  if (report.unaccounted_bytes > 0)
    text += fmt::format(", {} unaccounted for", format_bytes(report.unaccounted_bytes));
  return text + ")";
}

std::vector<Pair> summary_rows(const Model& model, const InspectReport& report) {
  const Profile& profile = report.profile;
  std::vector<Pair> rows;
  const auto add = [&](std::string label, std::string text) {
    if (!text.empty()) rows.emplace_back(std::move(label), std::move(text));
  };
  add("format", fmt::format("{}, {}", name(model.format()), counted(report.shard_count, "file")));
  add("tensors", format_grouped(report.tensor_count));
  add("parameters",
      rounded_and_exact(format_count(report.parameter_count), report.parameter_count));
  add("size", size_text(report));
  add("architecture", profile.architecture);
  if (!profile.model_type.empty())
    add("model type", known_from(profile.model_type, profile.model_type_source));
  if (profile.base_model_name != model.name()) add("base model", profile.base_model_name);
  if (!profile.modality.empty())
    add("modality", known_from(profile.modality, profile.modality_source));
  add("config", config_text(profile.config));
  add("quantization", profile.quantization.empty() ? "none: plain weights" : profile.quantization);
  return rows;
}

void write_dtypes(Output& out, const Terminal& terminal, const InspectReport& report) {
  if (report.dtypes.empty()) return;
  write_heading(out, terminal, "Types");
  const std::vector<std::pair<DType, DTypeShare>> shares(report.dtypes.begin(),
                                                         report.dtypes.end());
  const Column columns[] = {{"", false, false, &Paint::cyan},
                            {"tensors", true},
                            {"parameters", true},
                            {"bytes", true},
                            {"share", true}};
  write_table(out, terminal, columns, shares.size(),
              [&](size_t i, std::vector<std::string>& cells) {
                const DTypeShare& share = shares[i].second;
                cells = {std::string(name(shares[i].first)), format_grouped(share.tensors),
                         format_count(share.parameters), format_bytes(share.bytes),
                         percent_text(share.bytes, report.weight_bytes)};
              });
}

void write_files(Output& out, const Terminal& terminal, const Model& model,
                 const InspectReport& report) {
  write_heading(out, terminal, "Files");
  const auto files = model.files();
  const Column columns[] = {
      {"", false, true}, {"", true}, {"", false, false, &Paint::dim}, {"", true}};
  write_table(out, terminal, columns, files.size(), [&](size_t i, std::vector<std::string>& cells) {
    const ModelFile& file = files[i];
    cells = {file.name, format_bytes(file.size_bytes), std::string(name(file.role)),
             file.role == FileRole::Weights ? counted(file.tensor_count, "tensor") : std::string()};
  });
  if (!report.missing_files.empty())
    out.write(fmt::format("  {} {}\n", Paint(terminal.color).yellow("missing:"),
                          printable(fmt::format("{}", fmt::join(report.missing_files, ", ")))));
}

std::string isq_roles(const IsqAdvice& advice, const std::string& isq) {
  std::vector<std::string_view> roles;
  if (isq == advice.speed) roles.push_back("speed");
  if (isq == advice.balanced) roles.push_back("balanced");
  if (isq == advice.quality) roles.push_back("quality");
  if (isq == advice.fallback_default) roles.push_back("default");
  return fmt::format("{}", fmt::join(roles, ", "));
}

void write_isq(Output& out, const Terminal& terminal, const InspectReport& report) {
  if (!report.profile.requires_isq || report.isq.choices.empty()) return;
  write_heading(out, terminal, "Recommended quantization");
  const Column columns[] = {
      {"", false, false, &Paint::cyan}, {"", true}, {"", true}, {"", false, false, &Paint::green}};
  write_table(out, terminal, columns, report.isq.choices.size(),
              [&](size_t i, std::vector<std::string>& cells) {
                const IsqChoice& choice = report.isq.choices[i];
                cells = {choice.isq, format_bytes(choice.estimated_bytes),
                         percent_text(choice.estimated_bytes, report.weight_bytes, 0),
                         isq_roles(report.isq, choice.isq)};
              });
}

const TensorStats* stats_of(const InspectReport& report, uint32_t tensor) {
  if (tensor >= report.stats.size() || !report.stats[tensor]) return nullptr;
  return &*report.stats[tensor];
}

void append_stats(std::vector<std::string>& cells, const TensorStats* stats) {
  if (stats == nullptr) {
    cells.resize(cells.size() + 7);
    return;
  }
  for (const double value : {stats->min, stats->max, stats->mean, stats->std})
    cells.push_back(value_text(value));
  for (const uint64_t count : {stats->nan, stats->inf, stats->zero})
    cells.push_back(format_grouped(count));
}

}  // namespace

std::string shape_text(Shape shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

std::string value_text(double value) { return fmt::format("{:.4g}", value); }

void render_summary(Output& out, const Terminal& terminal, const Model& model,
                    const InspectReport& report) {
  out.write(Paint(terminal.color).bold(printable(model.name())) + "\n");
  write_pairs(out, terminal, summary_rows(model, report));
  write_dtypes(out, terminal, report);
  write_files(out, terminal, model, report);
  write_isq(out, terminal, report);
}

void render_tensor_table(Output& out, const Terminal& terminal, const Model& model,
                         const InspectReport& report, std::span<const uint32_t> selected) {
  std::vector<Column> columns = {{"name", false, true},
                                 {"type", false, false, &Paint::cyan},
                                 {"shape"},
                                 {"parameters", true},
                                 {"bytes", true}};
  const bool several_files = report.shard_count > 1;
  const bool with_stats = !report.stats.empty();
  if (with_stats)
    for (const char* title : {"min", "max", "mean", "std", "nan", "inf", "zero"})
      columns.push_back({title, true});
  else if (several_files)
    columns.push_back({"file", false, true, &Paint::dim});
  write_table(
      out, terminal, columns, selected.size(),
      [&](size_t i, std::vector<std::string>& cells) {
        const TensorInfo& tensor = model.tensors()[selected[i]];
        cells = {std::string(tensor.name), std::string(name(tensor.dtype)),
                 shape_text(tensor.shape), format_count(tensor.element_count),
                 format_bytes(tensor.size_bytes)};
        if (with_stats)
          append_stats(cells, stats_of(report, selected[i]));
        else if (several_files)
          cells.push_back(model.files()[tensor.file].name);
      },
      0);
}

void render_metadata(Output& out, const Terminal& terminal, const Model& model) {
  std::vector<Pair> rows(model.metadata().begin(), model.metadata().end());
  if (rows.empty()) out.write("no metadata\n");
  const Column columns[] = {{"", false, false, &Paint::cyan}, {""}};
  write_table(
      out, terminal, columns, rows.size(),
      [&](size_t i, std::vector<std::string>& cells) { cells = {rows[i].first, rows[i].second}; },
      0);
  for (const std::string& key : model.metadata_conflicts())
    out.write(fmt::format("{} the files disagree on '{}'; the first one's value is shown\n",
                          Paint(terminal.color).yellow("note:"), printable(key)));
}

}  // namespace stkit::cli
