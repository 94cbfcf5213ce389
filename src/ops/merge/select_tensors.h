// Which tensors are taken, and what they are called in the output.
#pragma once

#include <string>
#include <vector>

#include "stkit/error.h"
#include "stkit/merge.h"
#include "stkit/model.h"

namespace stkit {

struct SelectedTensor {
  const TensorInfo* source;
  std::string name;
};

// In the order of model.tensors(). Globs are about the names in the model; then the prefix goes,
// then the renames are applied in turn. Two tensors of one name are refused.
Result<std::vector<SelectedTensor>> select_tensors(const Model& model, const MergeOptions& options,
                                                   std::vector<std::string>& warnings);

}  // namespace stkit
