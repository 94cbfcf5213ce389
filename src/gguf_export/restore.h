// A GGUF file as the model that it was made of, as far as its elements tell: transformers' names,
// shapes and order of elements, blocks decoded to F32. The elements are computed when they are
// read; nothing is written.
#pragma once

#include <string>
#include <vector>

#include "stkit/error.h"
#include "stkit/model.h"

namespace stkit::gguf_export {

struct RestoredModel {
  Model model;
  std::vector<bool> decoded;  // by tensor of the model: whether it was stored in blocks
  // Why all names and orders are those of GGUF still; empty when they are not.
  std::string problem;
};

// REQUIRES: a GGUF model. Unsupported when it holds blocks that cannot be decoded.
Result<RestoredModel> restore_model(Model gguf);

}  // namespace stkit::gguf_export
