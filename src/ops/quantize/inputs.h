// What is quantized: the tensors of the output, where their elements come from, and what else the
// output says of the model.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "gguf_export/export_plan.h"
#include "stkit/dtype.h"
#include "stkit/error.h"
#include "stkit/model.h"
#include "stkit/quantize.h"

namespace stkit {

// Whose names the tensors of the output have.
enum class Naming : uint8_t {
  Own,       // the model's
  Carried,   // the model's, which is a GGUF file: they are llama.cpp's
  Exported,  // llama.cpp's
};

// The elements of one output tensor, before they are encoded.
struct TensorInput {
  const TensorInfo* tensor = nullptr;  // of the model, as it is; null: `source`
  gguf_export::ElementSource source = {};
  DType dtype = DType::F32;  // of the elements; F32 where they are computed
};

struct QuantizeInputs {
  Naming naming = Naming::Own;
  // In the order of the output: name, source, from, shape and element_count are set.
  std::vector<QuantizePlan::Tensor> tensors;
  std::vector<TensorInput> inputs;  // by index of tensors
  // Of a model under llama.cpp's names.
  gguf_export::ModelShape shape;
  std::optional<gguf_export::MetadataBuilder> metadata;  // Exported only
  std::vector<std::string> notes;
};

// Reads headers and companions, no weight.
Result<QuantizeInputs> plan_inputs(const Model& model, const QuantizeOptions& options,
                                   QuantizeTarget container);

}  // namespace stkit
