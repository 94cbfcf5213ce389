// From the partitions of all ranks to whole tensors.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/assembled.h"
#include "model/deepspeed_state.h"
#include "stkit/finding.h"

namespace stkit {

// All files of a checkpoint, by rank, with their places among the model's files. There is one
// state of the model in stages 0 to 2 and one of each rank in stage 3.
struct ZeroCheckpoint {
  std::vector<ZeroPartition> partitions;
  std::vector<uint32_t> partition_files;
  std::vector<ZeroModelState> states;
  std::vector<uint32_t> state_files;
  std::string path;  // for findings
};

// Every parameter, frozen or not, every buffer and every alias, each name once. What does not add
// up to the last element is a finding with both numbers.
std::vector<AssembledTensor> plan_zero(const ZeroCheckpoint& checkpoint,
                                       std::vector<Finding>& findings);

}  // namespace stkit
