#pragma once

#include "ops/quantize/importance.h"
#include "ops/quantize/inputs.h"
#include "pipeline/recipe.h"
#include "stkit/quantize.h"

namespace stkit {

// What a plan holds.
struct QuantizeContents {
  Model model;
  std::string output;
  QuantizeOptions options;
  std::string quantized_already;
  Importance importance;
  QuantizeInputs inputs;
  FilePlan layout;
  uint64_t input_bytes = 0;
  uint64_t parameters = 0, fallback_parameters = 0;
  std::vector<std::string> warnings;
};

struct QuantizePlan::Rep : QuantizeContents {};

}  // namespace stkit
