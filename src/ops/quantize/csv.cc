#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/check.h"
#include "stkit/quantize.h"

namespace stkit {
namespace {

// As RFC 4180 wants text that holds separators.
std::string csv_cell(std::string_view text) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(text);
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"') out += c;
    out += c;
  }
  return out + '"';
}

}  // namespace

std::string to_csv(const QuantizePlan& plan, const QuantizeReport& report) {
  STKIT_CHECK(report.errors.size() == plan.tensors().size());
  std::string out =
      "name,source,from,to,instead_of,shape,parameters,bytes,bits_per_weight,rmse,relative_rmse,"
      "cosine_similarity,sqnr_db,max_abs_error\n";
  for (size_t i = 0; i < plan.tensors().size(); ++i) {
    const QuantizePlan::Tensor& tensor = plan.tensors()[i];
    const ErrorMetrics& errors = report.errors[i];
    fmt::format_to(
        std::back_inserter(out), "{},{},{},{},{},{},{},{},{},{},{},{},{},{}\n",
        csv_cell(tensor.name), csv_cell(tensor.source), name(tensor.from), name(tensor.to),
        tensor.instead_of ? name(*tensor.instead_of) : "", fmt::join(tensor.shape, "x"),
        tensor.element_count, tensor.size_bytes,
        8 * static_cast<double>(tensor.size_bytes) / static_cast<double>(tensor.element_count),
        errors.rmse, errors.relative_rmse, errors.cosine_similarity, errors.sqnr_db,
        errors.max_abs_error);
  }
  return out;
}

}  // namespace stkit
