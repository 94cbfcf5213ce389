// Every byte of the output but the weights.
#pragma once

#include <cstdint>

#include "ops/quantize/importance.h"
#include "ops/quantize/inputs.h"
#include "pipeline/recipe.h"
#include "stkit/error.h"
#include "stkit/model.h"
#include "stkit/quantize.h"

namespace stkit {

struct OutputDescription {
  const Model& model;
  const QuantizeOptions& options;
  uint32_t file_type;  // general.file_type
  const Importance& importance;
  const QuantizeInputs& inputs;
};

// Recipes are by index of `inputs.tensors`.
Result<FilePlan> plan_gguf_output(const OutputDescription& output);
Result<FilePlan> plan_safetensors_output(const OutputDescription& output);

}  // namespace stkit
