#include "ops/quantize/inputs.h"

#include <fmt/format.h>

#include <algorithm>

#include "gguf_export/element_reader.h"
#include "model/config.h"
#include "model/model_contents.h"
#include "stkit/text.h"

namespace stkit {
namespace {

// --arch none
constexpr std::string_view kUnderOwnNames = "none";

Naming naming_of(const Model& model, const QuantizeOptions& options, QuantizeTarget container) {
  if (model.format() == FileFormat::Gguf) return Naming::Carried;
  // A bare file of weights says nothing of the model that they make.
  const bool is_full = config(model) != nullptr || !options.arch.empty();
  const bool is_exported =
      container == QuantizeTarget::Gguf && is_full && options.arch != kUnderOwnNames;
  return is_exported ? Naming::Exported : Naming::Own;
}

Result<void> check_options(Naming naming, const QuantizeOptions& options) {
  if (naming == Naming::Exported) return {};
  if (!options.pre_tokenizer.empty())
    return fail(ErrorCode::Usage, "--pre is for outputs that get a tokenizer",
                "that is a full model (config.json, tokenizer) written as GGUF");
  if (naming == Naming::Carried && !options.arch.empty())
    return fail(ErrorCode::Usage, "--arch is for models that are no GGUF files yet",
                "--metadata general.architecture=string:NAME changes what the file says");
  return {};
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

void plan_same_tensors(const Model& model, QuantizeTarget container, QuantizeInputs& out) {
  uint64_t empty = 0;
  for (const TensorInfo* tensor : in_output_order(model)) {
    if (tensor->element_count == 0 && container == QuantizeTarget::Gguf) {
      ++empty;
      continue;
    }
    out.tensors.push_back({.name = std::string(tensor->name),
                           .source = tensor->name,
                           .from = tensor->dtype,
                           .shape = {tensor->shape.begin(), tensor->shape.end()},
                           .element_count = tensor->element_count});
    out.inputs.push_back({.tensor = tensor, .source = {}, .dtype = tensor->dtype});
  }
  if (empty > 0)
    out.notes.push_back(fmt::format("{} left out: GGUF has no tensors without elements",
                                    counted(empty, "empty tensor is", "empty tensors are")));
}

// What the model has and the output has not: other parts of a multimodal model, buffers.
void note_left_out(const Model& model, QuantizeInputs& out) {
  std::vector<bool> used(model.tensors().size());
  for (const TensorInput& input : out.inputs)
    for (const gguf_export::Box& box : input.source.boxes) {
      used[box.tensor] = true;
      if (box.scale) used[box.scale->tensor] = true;
    }
  const auto count = static_cast<uint64_t>(std::ranges::count(used, false));
  if (count == 0) return;
  const auto first = static_cast<size_t>(std::ranges::find(used, false) - used.begin());
  out.notes.push_back(fmt::format("{} no part of a language model and left out, the first is '{}'",
                                  counted(count, "tensor is", "tensors are"),
                                  printable(model.tensors()[first].name)));
}

// Boxes of one tensor are neighbours.
uint32_t count_sources(const gguf_export::ElementSource& source) {
  uint32_t count = 0;
  for (size_t i = 0; i < source.boxes.size(); ++i)
    count += i == 0 || source.boxes[i].tensor != source.boxes[i - 1].tensor;
  return count;
}

Result<void> plan_exported_tensors(const Model& model, const QuantizeOptions& options,
                                   QuantizeInputs& out) {
  gguf_export::ExportOptions wanted;
  wanted.architecture = options.arch;
  wanted.pre_tokenizer = options.pre_tokenizer;
  STKIT_ASSIGN(gguf_export::ExportPlan plan, gguf_export::plan_export(model, wanted));
  for (gguf_export::ExportTensor& tensor : plan.tensors) {
    QuantizePlan::Tensor planned{.name = std::move(tensor.name),
                                 .shape = std::move(tensor.shape),
                                 .element_count = tensor.source.element_count(),
                                 .source_count = count_sources(tensor.source)};
    if (!tensor.source.boxes.empty()) {
      const TensorInfo& first = model.tensors()[tensor.source.boxes.front().tensor];
      planned.source = first.name;
      planned.from = first.dtype;
    }
    const DType dtype = gguf_export::stored_dtype(model, tensor.source).value_or(DType::F32);
    out.inputs.push_back({nullptr, std::move(tensor.source), dtype});
    out.tensors.push_back(std::move(planned));
  }
  note_left_out(model, out);
  std::ranges::move(plan.notes, std::back_inserter(out.notes));
  out.shape = std::move(plan.model);
  out.metadata = std::move(plan.metadata);
  return {};
}

}  // namespace

Result<QuantizeInputs> plan_inputs(const Model& model, const QuantizeOptions& options,
                                   QuantizeTarget container) {
  QuantizeInputs out;
  out.naming = naming_of(model, options, container);
  STKIT_TRY(check_options(out.naming, options));
  if (out.naming == Naming::Exported) {
    STKIT_TRY(plan_exported_tensors(model, options, out));
    return out;
  }
  plan_same_tensors(model, container, out);
  if (out.naming == Naming::Carried)
    out.shape = gguf_export::model_shape(ModelAccess::contents(model).gguf_metadata);
  return out;
}

}  // namespace stkit
