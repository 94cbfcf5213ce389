// The numbers by which GGUF files name element types.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "stkit/dtype.h"

namespace stkit {

// Nothing for an id that no file may hold; describe_unusable_ggml_type says why.
std::optional<DType> dtype_of_ggml(uint32_t id);

// Nothing for a type that GGUF does not have, such as U8 or F8_E4M3.
std::optional<uint32_t> ggml_id(DType dtype);

// "type 38 (IQ4_NL_8_8), which ggml has removed". REQUIRES: dtype_of_ggml(id) is empty.
std::string describe_unusable_ggml_type(uint32_t id);

}  // namespace stkit
