#include <algorithm>
#include <iterator>

#include "ops/validate/checks.h"
#include "ops/validate/report.h"

namespace stkit {
namespace {

constexpr std::string_view kLoaderNames[] = {"transformers", "vllm", "candle-vllm", "mistralrs"};

// Checks that read headers and companions only.
struct Row {
  void (*check)(Context&);
  bool for_loader;  // only with --for
};

constexpr Row kRows[] = {
    {check_config_file, false},        {check_config_shapes, false}, {check_layers, false},
    {check_even_layers, false},        {check_experts, false},       {check_tied_head, false},
    {check_config_dtype, false},       {check_quantization, false},  {check_tokenizer_files, false},
    {check_tokenizer, false},          {check_companions, false},    {check_placeholders, false},
    {check_loader_files, true},        {check_loader_weights, true}, {check_loader_dtypes, true},
    {check_loader_quantization, true}, {check_loader_quirks, true},
};

// What opening the other model costs is known before the first byte of this one is read.
Result<std::optional<Model>> open_other(const ValidateOptions& options) {
  if (!options.against) return std::optional<Model>();
  STKIT_ASSIGN(Model other, Model::open(*options.against, options.open));
  return std::optional<Model>(std::move(other));
}

}  // namespace

std::span<const std::string_view> loader_names() { return kLoaderNames; }

std::optional<Loader> parse_loader(std::string_view name) {
  const auto found = std::ranges::find(kLoaderNames, name);
  if (found == std::end(kLoaderNames)) return std::nullopt;
  return static_cast<Loader>(found - std::begin(kLoaderNames));
}

Result<ValidateReport> validate(std::string_view reference, const ValidateOptions& options,
                                const RunOptions& run) {
  STKIT_ASSIGN(const Model model, Model::scan(reference, options.open));
  STKIT_ASSIGN(const std::optional<Model> other, open_other(options));
  Context context(model, options, run);
  std::ranges::copy(model.findings(), std::back_inserter(context.findings));

  for (const Row& row : kRows)
    if (!row.for_loader || options.loader) row.check(context);
  ValidateReport report;
  report.reference = reference;
  if (options.deep) {
    STKIT_TRY(check_weights(context));
    STKIT_TRY(check_zero_tail(context));
    STKIT_TRY(check_gguf_gaps(context));
    STKIT_TRY(check_download_evidence(context));
  }
  if (options.checksums) STKIT_TRY(check_checksums(context));
  if (options.hub_checksums) STKIT_TRY(check_hub_checksums(context));
  if (other) {
    STKIT_ASSIGN(std::string digest, check_against(context, *other));
    if (!digest.empty()) report.model_digest = std::move(digest);
  }

  for (const uint32_t file : context.weights) report.bytes += model.files()[file].size_bytes;
  report.files = context.weights.size();
  report.tensors = model.tensors().size();
  take_findings(std::move(context.findings), report);
  return report;
}

}  // namespace stkit
