// Types chosen so that the output fits a size.
#pragma once

#include <cstdint>

#include "base/function_ref.h"
#include "ops/quantize/plan_rep.h"
#include "stkit/error.h"

namespace stkit {

// Types of tensors that no option named are chosen anew: those of the least error that fit
// `size_bytes` together with all the rest of the output. What a type costs in error is measured on
// rows that lie evenly spread over the tensor: the squared error against the squares of the
// weights, both weighed by importance where there is some, times the number of weights.
//
// `lay_out` gives the size of the output with the types as they are in `rep`.
// Usage when even the smallest types do not fit. REQUIRES: types are chosen.
Result<void> fit_types(uint64_t size_bytes, QuantizeContents& rep,
                       FunctionRef<Result<uint64_t>()> lay_out);

// general.file_type of the quantized type that most weights have; that of F32 without any.
uint32_t file_type_of_most(const QuantizeInputs& inputs);

}  // namespace stkit
