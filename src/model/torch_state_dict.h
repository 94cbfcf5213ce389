// Which of the many dicts of a training checkpoint is the model.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "formats/torch_file.h"
#include "stkit/finding.h"

namespace stkit {

struct StateDict {
  struct Entry {
    std::string name;
    PickleId tensor;
  };
  std::string path;            // of the dict: "model.state_dict"; empty for the object itself
  std::vector<Entry> entries;  // each name once
  uint64_t skipped = 0;        // values that are no tensors
  std::string first_skipped;
  std::string prefixes;  // that were taken off all names, for people; empty when none
};

// The dict at `key`, or the only one that holds tensors mostly; states of optimizers and of random
// generators are never looked into. A whole module that was saved instead of its state_dict is
// taken apart. On failure: AmbiguousWeights with the candidates, or NoTorchTensors.
std::expected<StateDict, TorchProblem> find_state_dict(const TorchFile& file, std::string_view key);

// Whether what a dict holds under that key is state of the training: never the model, though it may
// hold as many tensors.
bool is_training_state(std::string_view key);

// Takes off what wrappers of training put into names, and says what that was ("'module.'"). Only
// where every name carries a leading one, and no two names become the same.
std::string strip_wrapper_prefixes(std::vector<std::string>& names);

}  // namespace stkit
