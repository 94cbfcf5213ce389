// The weight files of the output: which tensors each holds, and every byte but the tensors'.
#pragma once

#include <string>
#include <vector>

#include "model/listing.h"
#include "ops/merge/select_tensors.h"
#include "ops/merge/work.h"

namespace stkit {

struct WeightNames {
  std::string stem;         // "model"
  std::string suffix;       // ".safetensors"
  std::string single_file;  // when one file is written: the name it gets

  std::string index() const { return stem + suffix + ".index.json"; }
  // Where a loader starts.
  std::string entry_file(const OutputPlan& weights) const {
    return weights.files.size() == 1 ? single_file : index();
  }
};

// Fills work.weights and work.casts.
Result<void> plan_weights(std::vector<SelectedTensor> tensors, const WeightNames& names,
                          MergeWork& work);

// The text of model.safetensors.index.json for the files of work.weights.
std::string shard_index_text(const OutputPlan& weights);

}  // namespace stkit
