#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "io/output_conflict.h"
#include "model/config.h"
#include "model/profile.h"
#include "ops/quantize/output_layout.h"
#include "ops/quantize/plan_rep.h"
#include "ops/quantize/selection.h"
#include "quant/estimate.h"
#include "stkit/text.h"

namespace fs = std::filesystem;

namespace stkit {
namespace {

// The reference itself, which may be a folder, and every file that is read.
Result<void> check_output(const Model& model, const std::string& output, bool overwrite) {
  std::vector<fs::path> inputs = {model.reference()};
  for (const ModelFile& file : model.files()) inputs.emplace_back(file.path);
  STKIT_TRY(check_output_is_not_input(output, inputs));
  std::error_code error;
  if (!overwrite && fs::exists(output, error))
    return fail(ErrorCode::OutputExists, "the output exists already", "replace it with --force",
                output);
  return {};
}

// FP8 comes in two kinds: with scales beside the weights, and as weights that were merely cast.
bool is_cast_to_fp8(const Model& model) {
  if (config(model) != nullptr && config_field(*config(model), "quantization_config") != nullptr)
    return false;
  return std::ranges::none_of(model.tensors(), [](const TensorInfo& tensor) {
    return tensor.name.find("scale") != std::string_view::npos;
  });
}

std::string quantization_of(const Model& model) {
  std::string method = find_quantization(model);
  return method == "fp8" && is_cast_to_fp8(model) ? std::string() : method;
}

QuantizeTarget target_of(const std::string& output, const QuantizeOptions& options) {
  if (options.target) return *options.target;
  return output.ends_with(".safetensors") ? QuantizeTarget::Safetensors : QuantizeTarget::Gguf;
}

// Weights that are quantized already are quantized again only where that was asked for, and where
// their blocks can be decoded.
Result<void> check_plain(const Model& model, const std::string& quantization,
                         const QuantizeOptions& options) {
  const bool is_gguf = model.format() == FileFormat::Gguf;
  if (quantization.empty() || (is_gguf && options.allow_requantize)) return {};
  return fail(ErrorCode::Unsupported,
              fmt::format("the weights are quantized already ({})", printable(quantization)),
              is_gguf ? "start from the model that they were made of, or accept what is lost with "
                        "--allow-requantize"
                      : "start from the model that they were made of",
              model.reference());
}

// Sizes, and what importance there is, of tensors whose types are chosen.
Result<void> measure(QuantizeContents& rep) {
  for (const TensorInfo& tensor : rep.model.tensors()) rep.input_bytes += tensor.size_bytes;
  for (QuantizePlan::Tensor& tensor : rep.inputs.tensors) {
    STKIT_ASSIGN(tensor.size_bytes, storage_bytes(tensor.to, tensor.element_count));
    STKIT_ASSIGN(const auto weights, rep.importance.of(tensor));
    tensor.weighted = !weights.empty();
    rep.parameters += tensor.element_count;
    if (tensor.instead_of) rep.fallback_parameters += tensor.element_count;
  }
  return {};
}

Result<void> check_importance_is_used(const QuantizeContents& rep) {
  if (!rep.importance.is_given()) return {};
  const bool used = std::ranges::any_of(rep.inputs.tensors, &QuantizePlan::Tensor::weighted);
  const auto& entries = rep.importance.file().entries;
  if (used || entries.empty()) return {};
  return fail(ErrorCode::Usage,
              fmt::format("none of its {} entries is for a tensor of the model that it would help; "
                          "the first is for '{}'",
                          format_grouped(entries.size()), printable(entries.front().name)),
              "use an importance matrix whose entries have the names of the output's tensors",
              rep.options.imatrix);
}

}  // namespace

QuantizePlan::QuantizePlan(std::unique_ptr<Rep> rep) : rep_(std::move(rep)) {}
QuantizePlan::QuantizePlan(QuantizePlan&&) noexcept = default;
QuantizePlan& QuantizePlan::operator=(QuantizePlan&&) noexcept = default;
QuantizePlan::~QuantizePlan() = default;

Result<QuantizePlan> QuantizePlan::make(std::string_view reference, const std::string& output,
                                        const QuantizeOptions& options) {
  STKIT_ASSIGN(TypeSelection selection, TypeSelection::make(options, target_of(output, options)));
  STKIT_ASSIGN(Model model, Model::open(reference, options.open));
  auto rep = std::make_unique<Rep>(Rep{{.model = std::move(model),
                                        .output = output,
                                        .options = options,
                                        .quantized_already = {},
                                        .importance = {},
                                        .inputs = {},
                                        .layout = {},
                                        .warnings = {}}});
  const std::string quantization = quantization_of(rep->model);
  if (options.only_if_plain && !quantization.empty()) {
    rep->quantized_already = quantization;
    return QuantizePlan(std::move(rep));
  }
  STKIT_ASSIGN(rep->inputs, plan_inputs(rep->model, options, selection.container()));
  if (rep->inputs.naming != Naming::Exported)
    STKIT_TRY(check_plain(rep->model, quantization, options));
  STKIT_TRY(check_output(rep->model, output, options.overwrite));
  if (!options.imatrix.empty()) {
    STKIT_ASSIGN(rep->importance, Importance::open(options.imatrix));
    for (const Finding& finding : rep->importance.file().findings)
      rep->warnings.push_back(fmt::format("{}: {}", options.imatrix, finding.message));
  }
  std::ranges::copy(rep->inputs.notes, std::back_inserter(rep->warnings));
  STKIT_TRY(selection.choose(rep->inputs, rep->importance.is_given()));
  STKIT_TRY(measure(*rep));
  STKIT_TRY(check_importance_is_used(*rep));
  std::ranges::move(selection.unused_options(), std::back_inserter(rep->warnings));
  const bool gguf = selection.container() == QuantizeTarget::Gguf;
  const OutputDescription description{rep->model, options, selection.file_type(), rep->importance,
                                      rep->inputs};
  auto layout = gguf ? plan_gguf_output(description) : plan_safetensors_output(description);
  if (!layout) {
    Error error = std::move(layout).error().at(std::string(reference));
    if (gguf && error.hint.empty())
      error.hint = "safetensors holds what GGUF cannot: name the output FILE.safetensors";
    return fail(std::move(error));
  }
  rep->layout = std::move(*layout);
  rep->layout.name = output;
  return QuantizePlan(std::move(rep));
}

const Model& QuantizePlan::model() const { return rep_->model; }
const std::string& QuantizePlan::output() const { return rep_->output; }
const std::string& QuantizePlan::quantized_already() const { return rep_->quantized_already; }
std::span<const QuantizePlan::Tensor> QuantizePlan::tensors() const { return rep_->inputs.tensors; }
uint64_t QuantizePlan::input_bytes() const { return rep_->input_bytes; }
uint64_t QuantizePlan::output_bytes() const { return rep_->layout.file_bytes; }
uint64_t QuantizePlan::parameter_count() const { return rep_->parameters; }
uint64_t QuantizePlan::fallback_parameters() const { return rep_->fallback_parameters; }
std::span<const std::string> QuantizePlan::warnings() const { return rep_->warnings; }

double QuantizePlan::bits_per_weight() const {
  double bytes = 0;
  for (const Tensor& tensor : rep_->inputs.tensors) bytes += static_cast<double>(tensor.size_bytes);
  return rep_->parameters == 0 ? 0 : 8 * bytes / static_cast<double>(rep_->parameters);
}

}  // namespace stkit
