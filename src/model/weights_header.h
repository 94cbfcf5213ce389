// What a reader of any format knows of one weight file: its tensors and what is wrong with it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/arena.h"
#include "model/tensor_boxes.h"
#include "stkit/finding.h"
#include "stkit/tensor.h"

namespace stkit {

// Of the tensors that are not contiguous; by file and name, which tell one tensor from another
// also while two shards hold the same name.
using BoxedTensors = std::map<std::pair<uint32_t, std::string_view>, BoxedTensor>;

struct WeightsHeader {
  Arena storage;  // of the tensors' names and shapes
  std::vector<TensorInfo> tensors;
  BoxedTensors boxed;
  std::vector<std::pair<std::string, std::string>> metadata;
  uint64_t header_bytes = 0;
  bool complete = false;  // every entry could be read
  std::vector<Finding> findings;
};

}  // namespace stkit
