// What is already where the output is going to be.
#pragma once

#include "ops/merge/work.h"
#include "stkit/error.h"

namespace stkit {

// Finds out whether the output is a file or a folder. Refuses one that is, or lies in, the model,
// or that is neither a file nor a folder.
Result<void> find_target(MergeWork& work);

// Refuses files of the plan that are there already, unless they may be overwritten, and folders
// that hold the weights of another model. REQUIRES: work.outputs is whole.
Result<void> check_target(MergeWork& work);

// NoSpace when the files do not fit all together. Each is checked once more when it is made.
Result<void> check_space(SystemCalls& calls, const MergeWork& work);

}  // namespace stkit
