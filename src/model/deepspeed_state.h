// What one file of a ZeRO checkpoint says, without DeepSpeed's classes.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "formats/torch_file.h"
#include "stkit/error.h"
#include "stkit/finding.h"
#include "stkit/io.h"

namespace stkit {

// A flat run of elements of one file.
struct ZeroRun {
  uint64_t offset_bytes = 0;
  uint64_t count = 0;
  DType dtype = DType::F32;
  uint8_t swap_bytes = 0;
};

struct ZeroParameter {
  std::string name;
  std::vector<uint64_t> shape;
};

// *_optim_states.pt
struct ZeroPartition {
  uint64_t stage = 0;
  uint64_t ranks = 0;  // the number of files that there must be
  std::vector<ZeroRun> groups =
      {};  // this rank's part of each (stages 1, 2), or of all in turn (3)
  std::vector<std::vector<ZeroParameter>> shapes = {};  // here until February 2022, see below
};

// *_model_states.pt
struct ZeroModelState {
  std::vector<std::vector<ZeroParameter>> shapes;  // one list a group, in the order of flattening
  std::vector<std::pair<std::string, TorchTensor>> module;  // 16-bit weights; empty ones in stage 3
  std::vector<std::string> buffers;
  std::vector<ZeroParameter> frozen;
  std::map<std::string, TorchTensor, std::less<>> frozen_fragments;
  std::vector<std::pair<std::string, std::string>> shared;  // a name, and the one it is an alias of
  std::optional<uint64_t> step;
};

// Nothing when the file cannot be used: `findings` say why. An Error is one of the system.
Result<std::optional<ZeroPartition>> read_zero_partition(const RandomAccessFile& file,
                                                         uint64_t max_pickle_bytes,
                                                         std::vector<Finding>& findings);
Result<std::optional<ZeroModelState>> read_zero_model_state(const RandomAccessFile& file,
                                                            uint64_t max_pickle_bytes,
                                                            std::vector<Finding>& findings);

}  // namespace stkit
