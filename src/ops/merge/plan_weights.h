// The weight files of the output: which tensors each holds, and every byte but the tensors'.
#pragma once

#include <string>
#include <vector>

#include "ops/merge/select_tensors.h"
#include "ops/merge/work.h"

namespace stkit {

// Fills work.weights. `names` gives files their names.
struct WeightNames {
  std::string stem;         // "model"
  std::string single_file;  // when one file is written: the name it gets
};
Result<void> plan_weights(std::vector<SelectedTensor> tensors, const WeightNames& names,
                          MergeWork& work);

// The text of model.safetensors.index.json for the files of work.weights.
std::string shard_index_text(const OutputPlan& weights);

}  // namespace stkit
