#include "render_quantize.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "render_inspect.h"
#include "stkit/text.h"
#include "table.h"

namespace stkit::cli {
namespace {

// Of tensors in a list that is about the worst of them.
constexpr size_t kShown = 10;

std::string types_text(const QuantizePlan& plan) {
  std::map<DType, uint64_t> counts;
  for (const QuantizePlan::Tensor& tensor : plan.tensors()) ++counts[tensor.to];
  std::string text;
  for (const auto& [type, count] : counts)
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name(type), format_grouped(count));
  return text;
}

std::string fidelity_text(const ErrorMetrics& errors) {
  return fmt::format("cosine {:.6f}, relative rmse {:.2f} %, SQNR {:.1f} dB, largest error {}",
                     errors.cosine_similarity, 100 * errors.relative_rmse, errors.sqnr_db,
                     value_text(errors.max_abs_error));
}

void write_summary(Output& out, const Terminal& terminal, const QuantizePlan& plan,
                   const QuantizeReport* report) {
  std::vector<Pair> rows = {
      {"size", fmt::format("{}, {} of {}", format_bytes(plan.output_bytes()),
                           percent_text(plan.output_bytes(), plan.input_bytes(), 0),
                           format_bytes(plan.input_bytes()))},
      {"weights", fmt::format("{} of {:.3f} bits", format_count(plan.parameter_count()),
                              plan.bits_per_weight())},
      {"tensors", types_text(plan)}};
  const auto fallbacks = std::ranges::count_if(
      plan.tensors(), [](const auto& tensor) { return tensor.instead_of.has_value(); });
  if (fallbacks > 0)
    rows.emplace_back(
        "fallbacks",
        fmt::format("{}, {} of the weights", counted(static_cast<uint64_t>(fallbacks), "tensor"),
                    percent_text(plan.fallback_parameters(), plan.parameter_count())));
  if (report != nullptr && report->total_error)
    rows.emplace_back("fidelity", fidelity_text(*report->total_error));
  write_pairs(out, terminal, rows);
}

void write_fallbacks(Output& out, const Terminal& terminal, const QuantizePlan& plan) {
  std::vector<const QuantizePlan::Tensor*> fallbacks;
  for (const QuantizePlan::Tensor& tensor : plan.tensors())
    if (tensor.instead_of) fallbacks.push_back(&tensor);
  if (fallbacks.empty()) return;
  std::ranges::stable_sort(fallbacks, std::greater{}, &QuantizePlan::Tensor::element_count);
  write_heading(out, terminal, "Fallbacks: rows that are not whole blocks");
  const Column columns[] = {{"name", false, true},
                            {"row", true},
                            {"wanted", false, false, &Paint::cyan},
                            {"got", false, false, &Paint::cyan},
                            {"of the weights", true}};
  write_table(out, terminal, columns, std::min(fallbacks.size(), kShown),
              [&](size_t i, std::vector<std::string>& cells) {
                const QuantizePlan::Tensor& tensor = *fallbacks[i];
                cells = {tensor.name, format_grouped(tensor.shape.back()),
                         std::string(name(*tensor.instead_of)), std::string(name(tensor.to)),
                         percent_text(tensor.element_count, plan.parameter_count())};
              });
  if (fallbacks.size() > kShown)
    out.write(fmt::format("  and {} more\n", format_grouped(fallbacks.size() - kShown)));
}

void write_tensors(Output& out, const Terminal& terminal, const QuantizePlan& plan) {
  write_heading(out, terminal, "Tensors");
  const Column columns[] = {{"name", false, true},
                            {"from", false, false, &Paint::cyan},
                            {"to", false, false, &Paint::cyan},
                            {"shape"},
                            {"bytes", true},
                            {"why", false, true, &Paint::dim}};
  write_table(out, terminal, columns, plan.tensors().size(),
              [&](size_t i, std::vector<std::string>& cells) {
                const QuantizePlan::Tensor& tensor = plan.tensors()[i];
                cells = {tensor.name,
                         std::string(name(tensor.from)),
                         std::string(name(tensor.to)),
                         shape_text(tensor.shape),
                         format_bytes(tensor.size_bytes),
                         tensor.rule};
              });
}

// Those with the largest errors against the size of their weights.
void write_worst(Output& out, const Terminal& terminal, const QuantizePlan& plan,
                 const QuantizeReport& report) {
  const std::vector<uint32_t> order = worst_tensors(report, kShown);
  if (order.empty()) return;
  write_heading(out, terminal, "Largest errors");
  const Column columns[] = {{"name", false, true}, {"type", false, false, &Paint::cyan},
                            {"cosine", true},      {"relative rmse", true},
                            {"rmse", true},        {"largest", true}};
  write_table(out, terminal, columns, order.size(), [&](size_t i, std::vector<std::string>& cells) {
    const QuantizePlan::Tensor& tensor = plan.tensors()[order[i]];
    const ErrorMetrics& errors = report.errors[order[i]];
    cells = {tensor.name,
             std::string(name(tensor.to)),
             fmt::format("{:.6f}", errors.cosine_similarity),
             fmt::format("{:.2f} %", 100 * errors.relative_rmse),
             value_text(errors.rmse),
             value_text(errors.max_abs_error)};
  });
}

}  // namespace

void render_quantize(Output& out, const Terminal& terminal, const QuantizePlan& plan,
                     const QuantizeReport* report, bool list_tensors) {
  if (!plan.quantized_already().empty()) {
    out.write(fmt::format("{}: quantized already ({}), nothing to do\n",
                          printable(plan.model().reference()),
                          printable(plan.quantized_already())));
    return;
  }
  out.write(Paint(terminal.color).bold(printable(plan.output())) + "\n");
  write_summary(out, terminal, plan, report);
  write_fallbacks(out, terminal, plan);
  if (list_tensors) write_tensors(out, terminal, plan);
  if (report != nullptr && !report->errors.empty()) write_worst(out, terminal, plan, *report);
}

}  // namespace stkit::cli
