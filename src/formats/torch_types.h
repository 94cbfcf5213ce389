// Element types by the names that PyTorch has for them and for storages of them.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "stkit/dtype.h"

namespace stkit {

struct TorchType {
  std::string_view name;       // "bfloat16"
  std::string_view storage;    // "BFloat16Storage"; empty when it is kept in an untyped one
  std::optional<DType> dtype;  // nothing when safetensors has none
  uint8_t item_bytes;          // of one value as torch counts them: two elements of F4
  uint8_t number_bytes;        // what byte order applies to: half of a complex number
};

// By "torch.<name>" or by "torch.<storage>". Null when there is no such type.
const TorchType* find_torch_dtype(std::string_view name);
const TorchType* find_torch_storage(std::string_view name);
const TorchType* find_torch_type(DType dtype);

}  // namespace stkit
