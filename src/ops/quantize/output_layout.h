// Every byte of the output but the weights.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

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
  const std::string& path;
  const Importance& importance;
  const QuantizeInputs& inputs;
};

// Names are paths; recipes are by index of `inputs.tensors`.
Result<std::vector<FilePlan>> plan_gguf_output(const OutputDescription& output);
Result<std::vector<FilePlan>> plan_safetensors_output(const OutputDescription& output);

}  // namespace stkit
