// The files beside the weights that a model is taken along with.
#pragma once

#include <string>
#include <vector>

#include "ops/merge/work.h"
#include "stkit/error.h"

namespace stkit {

struct CompanionFile {
  std::string name;  // in the output folder
  uint64_t size_bytes;
  decltype(MergeOutput::content) content;
};

// By name. None for an output that is a single file. A config.json follows the casts of the plan
// and `weights_file`, which a loader starts from.
Result<std::vector<CompanionFile>> plan_companions(MergeWork& work, std::string weights_file);

}  // namespace stkit
