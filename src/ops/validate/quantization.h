// What quantized models say in their configuration, and the traces it leaves among the tensors.
#pragma once

#include <span>
#include <string_view>

#include "base/json_reader.h"
#include "ops/validate/name_table.h"
#include "stkit/tensor.h"

namespace stkit {

// "gptq", "awq", "fp8", ... as configurations write it; "mlx" for theirs; empty when not said.
std::string_view quantization_method(const JsonValue& quantization);

// Whether the tensors bear traces of `method`. True for methods that are not known here.
bool has_quantization(std::string_view method, const NameTable& names,
                      std::span<const TensorInfo> tensors);

// Tensors that only describe quantized ones: scales, zero points, maps.
bool is_quantization_side_tensor(std::string_view last_component);

}  // namespace stkit
