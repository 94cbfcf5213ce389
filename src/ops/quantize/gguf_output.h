// The GGUF file that a quantized model becomes, but for its weights.
#pragma once

#include <span>

#include "formats/gguf_writer.h"
#include "ops/quantize/importance.h"
#include "quant/types.h"
#include "stkit/error.h"
#include "stkit/model.h"
#include "stkit/quantize.h"

namespace stkit {

// What general.* says about the file. `arch` as in QuantizeOptions.
struct GgufDescription {
  std::string architecture;
  std::string name;
  uint32_t file_type = 0;
};
GgufDescription describe_gguf(const Model& model, const QuantizeOptions& options,
                              const quant::QuantType& base);

Result<GgufLayout> plan_gguf_output(const GgufDescription& description,
                                    std::span<const QuantizePlan::Tensor> tensors,
                                    const Importance& importance, const std::string& imatrix_path);

}  // namespace stkit
