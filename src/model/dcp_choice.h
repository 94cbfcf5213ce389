// Which of the dicts in a torch.distributed checkpoint is the model.
#pragma once

#include <cstddef>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "formats/torch_file.h"
#include "model/dcp_metadata.h"

namespace stkit {

struct DcpChoice {
  struct Entry {
    size_t tensor;  // index into DcpMetadata::tensors
    std::string name;
  };
  std::vector<Entry> entries;
  uint64_t skipped = 0;  // tensors and objects that are not in that dict
  std::string first_skipped;
  std::string prefixes;  // see strip_wrapper_prefixes
};

// By the same rules as find_state_dict(): the dict at `key`, or the only one that holds tensors
// mostly, without the state of training.
std::expected<DcpChoice, TorchProblem> choose_dcp_tensors(const DcpMetadata& metadata,
                                                          std::string_view key);

}  // namespace stkit
