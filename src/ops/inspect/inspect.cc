#include "stkit/inspect.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/checked_math.h"
#include "model/companions.h"
#include "model/profile.h"
#include "quant/estimate.h"

namespace stkit {
namespace {

// Scanned models may hold forged sizes: sums stop at the largest number instead of wrapping.
void add(uint64_t& sum, uint64_t more) { sum = checked_add(sum, more).value_or(UINT64_MAX); }

void sum_files(const Model& model, InspectReport& report) {
  for (const ModelFile& file : model.files()) {
    if (file.role != FileRole::Weights) continue;
    ++report.shard_count;
    add(report.total_bytes, file.size_bytes);
    add(report.header_bytes, file.header_bytes);
  }
}

void sum_tensors(const Model& model, InspectReport& report) {
  std::vector<DTypeShare> shares(dtypes().size());
  for (const TensorInfo& tensor : model.tensors()) {
    DTypeShare& share = shares[static_cast<size_t>(tensor.dtype)];
    ++share.tensors;
    add(share.parameters, tensor.element_count);
    add(share.bytes, tensor.size_bytes);
  }
  for (const DTypeInfo& row : dtypes()) {
    const DTypeShare& share = shares[static_cast<size_t>(row.dtype)];
    if (share.tensors == 0) continue;
    report.dtypes[row.dtype] = share;
    report.tensor_count += share.tensors;
    add(report.parameter_count, share.parameters);
    add(report.weight_bytes, share.bytes);
  }
}

// q4k is what `quantize` takes when no type is named, so it is the default here too; the other two
// are the steps of its speed..quality slider.
IsqAdvice advise_isq(const Model& model) {
  IsqAdvice advice{.speed = "q4k",
                   .balanced = "q5k",
                   .quality = "q6k",
                   .fallback_default = "q4k",
                   .choices = {}};
  for (const std::string_view isq : {"q4k", "q5k", "q6k", "q8_0"})
    advice.choices.push_back(
        {std::string(isq), quant::estimate_bytes(model.tensors(), *quant::find_type(isq))});
  return advice;
}

std::vector<std::string> warnings_of(const Model& model) {
  std::vector<std::string> warnings;
  for (const Finding& finding : model.findings()) {
    if (finding.severity() == Severity::Note) continue;
    warnings.push_back(finding.path.empty() ? finding.message
                                            : fmt::format("{}: {}", finding.path, finding.message));
  }
  for (const std::string& key : model.metadata_conflicts())
    warnings.push_back(fmt::format("metadata '{}' differs between the weight files", key));
  return warnings;
}

}  // namespace

Result<InspectReport> inspect(const Model& model) {
  InspectReport report;
  report.profile = make_profile(model);
  sum_files(model, report);
  sum_tensors(model, report);
  const uint64_t described =
      checked_add(report.header_bytes, report.weight_bytes).value_or(UINT64_MAX);
  report.unaccounted_bytes = report.total_bytes - std::min(described, report.total_bytes);
  if (report.profile.requires_isq) report.isq = advise_isq(model);
  report.missing_files = missing_companions(model, report.profile);
  report.warnings = warnings_of(model);
  return report;
}

}  // namespace stkit
