// Changes to config.json that keep every other byte of it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "stkit/dtype.h"

namespace stkit {

struct ConfigChanges {
  std::optional<DType> dtype;  // that weights were cast to
  std::string weights_file;    // that a loader starts from
};

// At any depth `torch_dtype` and `dtype` that name a float dtype, or are null, get the new one;
// what describes a quantization is left alone. A `transformers_weights` at the top names the new
// file. REQUIRES: `text` is an object in JSON, as Python writes it.
std::string edit_config(std::string_view text, const ConfigChanges& changes);

}  // namespace stkit
