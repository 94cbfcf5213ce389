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

// By name, so that the output does not depend on how the input is sharded. GGUF files have an order
// of their own.
std::vector<const TensorInfo*> in_output_order(const Model& model) {
  std::vector<const TensorInfo*> order;
  for (const TensorInfo& tensor : model.tensors()) order.push_back(&tensor);
  if (model.format() == FileFormat::Gguf) return order;
  std::ranges::sort(order, natural_less, &TensorInfo::name);
  return order;
}

Result<QuantizePlan::Tensor> plan_tensor(const TensorInfo& source, TypeSelection& selection,
                                         const Importance& importance) {
  const std::optional<TypeChoice> choice = selection.choose(source);
  if (!choice)
    return fail(ErrorCode::Unsupported, fmt::format("tensor '{}' is {}, which GGUF has no type for",
                                                    printable(source.name), name(source.dtype)));
  QuantizePlan::Tensor tensor{.name = std::string(source.name),
                              .source = source.name,
                              .from = source.dtype,
                              .to = choice->type,
                              .shape = {source.shape.begin(), source.shape.end()},
                              .element_count = source.element_count,
                              .instead_of = choice->instead_of};
  STKIT_ASSIGN(tensor.size_bytes, storage_bytes(tensor.to, tensor.element_count));
  STKIT_ASSIGN(const auto weights, importance.of(tensor));
  tensor.weighted = !weights.empty();
  return tensor;
}

Result<void> plan_tensors(TypeSelection& selection, QuantizeContents& rep) {
  uint64_t empty = 0;
  for (const TensorInfo* source : in_output_order(rep.model)) {
    rep.input_bytes += source->size_bytes;
    if (source->element_count == 0 && selection.container() == QuantizeTarget::Gguf) {
      ++empty;
      continue;
    }
    STKIT_ASSIGN(QuantizePlan::Tensor tensor, plan_tensor(*source, selection, rep.importance));
    rep.parameters += tensor.element_count;
    if (tensor.instead_of) rep.fallback_parameters += tensor.element_count;
    rep.tensors.push_back(std::move(tensor));
  }
  if (empty > 0)
    rep.warnings.push_back(fmt::format(
        "{} left out: GGUF has no tensors without elements",
        empty == 1 ? "1 empty tensor is" : format_grouped(empty) + " empty tensors are"));
  return {};
}

// What a user of llama.cpp would otherwise find out when the file does not load.
void warn_of_names(QuantizeTarget target, QuantizeContents& rep) {
  const JsonValue* json = config(rep.model);
  if (target == QuantizeTarget::Gguf && json != nullptr && summarise_config(*json).layers > 0)
    rep.warnings.emplace_back(
        "the tensors keep the names that the model gives them; llama.cpp runs language models only "
        "under its own");
}

Result<void> check_importance_is_used(const QuantizeContents& rep) {
  if (!rep.importance.is_given()) return {};
  const bool used = std::ranges::any_of(rep.tensors, &QuantizePlan::Tensor::weighted);
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
                                        .tensors = {},
                                        .layout = {},
                                        .warnings = {}}});
  if (rep->model.format() == FileFormat::Gguf) selection.expect_gguf_names();
  const std::string quantization = quantization_of(rep->model);
  if (options.only_if_plain && !quantization.empty()) {
    rep->quantized_already = quantization;
    return QuantizePlan(std::move(rep));
  }
  STKIT_TRY(check_plain(rep->model, quantization, options));
  STKIT_TRY(check_output(rep->model, output, options.overwrite));
  if (!options.imatrix.empty()) {
    STKIT_ASSIGN(rep->importance, Importance::open(options.imatrix));
    for (const Finding& finding : rep->importance.file().findings)
      rep->warnings.push_back(fmt::format("{}: {}", options.imatrix, finding.message));
  }
  STKIT_TRY(plan_tensors(selection, *rep));
  STKIT_TRY(check_importance_is_used(*rep));
  warn_of_names(selection.container(), *rep);
  std::ranges::move(selection.unused_options(), std::back_inserter(rep->warnings));
  const bool gguf = selection.container() == QuantizeTarget::Gguf;
  const OutputDescription description{rep->model, options, selection.base(), rep->importance,
                                      rep->tensors};
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
std::span<const QuantizePlan::Tensor> QuantizePlan::tensors() const { return rep_->tensors; }
uint64_t QuantizePlan::input_bytes() const { return rep_->input_bytes; }
uint64_t QuantizePlan::output_bytes() const { return rep_->layout.file_bytes; }
uint64_t QuantizePlan::parameter_count() const { return rep_->parameters; }
uint64_t QuantizePlan::fallback_parameters() const { return rep_->fallback_parameters; }
std::span<const std::string> QuantizePlan::warnings() const { return rep_->warnings; }

double QuantizePlan::bits_per_weight() const {
  double bytes = 0;
  for (const Tensor& tensor : rep_->tensors) bytes += static_cast<double>(tensor.size_bytes);
  return rep_->parameters == 0 ? 0 : 8 * bytes / static_cast<double>(rep_->parameters);
}

}  // namespace stkit
