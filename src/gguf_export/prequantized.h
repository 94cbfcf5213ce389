// Weights that are quantized in what is to be exported: which kinds are refused, and the scales of
// those that are read.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "gguf_export/element_source.h"
#include "gguf_export/hyper_parameters.h"
#include "stkit/error.h"
#include "stkit/model.h"

namespace stkit::gguf_export {

// Unsupported, naming the kind and what is wanted instead, unless the weights are plain, 8-bit
// floats or blocks of MXFP4.
Result<void> check_exportable(const Model& model);

// A tensor that says how others are to be read: scales of 8-bit floats.
bool is_scale_tensor(const Model& model, const TensorInfo& tensor);

// The scales of a tensor of 8-bit floats; nothing for a plain one. Corrupt when they are missing or
// do not fit, Unsupported for elements that are no floats.
Result<std::optional<BlockScale>> find_scale(const Model& model, const TensorInfo& tensor,
                                             const HyperParameters& config);

}  // namespace stkit::gguf_export
