// Every byte of the output but the weights.
#pragma once

#include <span>
#include <string>

#include "ops/quantize/importance.h"
#include "pipeline/recipe.h"
#include "quant/types.h"
#include "stkit/error.h"
#include "stkit/model.h"
#include "stkit/quantize.h"

namespace stkit {

struct OutputDescription {
  const Model& model;
  const QuantizeOptions& options;
  const quant::QuantType& base;
  const Importance& importance;
  std::span<const QuantizePlan::Tensor> tensors;
};

// Recipes are by index of `tensors`.
Result<FilePlan> plan_gguf_output(const OutputDescription& output);
Result<FilePlan> plan_safetensors_output(const OutputDescription& output);

}  // namespace stkit
