// The elements of an exported tensor for the pipeline.
#pragma once

#include <memory>

#include "ops/quantize/inputs.h"
#include "pipeline/recipe.h"
#include "stkit/error.h"
#include "stkit/model.h"

namespace stkit {

// The model must outlive it.
Result<std::unique_ptr<const ElementInput>> open_export_input(const Model& model,
                                                              const TensorInput& input);

}  // namespace stkit
