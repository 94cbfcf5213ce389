// Which weight files make the model where no index says it.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "stkit/finding.h"
#include "stkit/io.h"

namespace stkit {

struct WeightChoice {
  std::vector<const FolderEntry*> files;  // sorted by name
  bool is_set = false;                    // a -of-N set, complete or not
  bool unrelated_files = false;           // see Bundle
  std::vector<Finding> findings;          // IncompleteSet, AmbiguousModel
};

// `candidates` are the weight files of one folder, sorted by name; `folder` is its path.
WeightChoice choose_weights(std::span<const FolderEntry> candidates, const Folder& folder);

// "'a', 'b', 'c' and 12 more"
std::string list_names(std::span<const std::string> names);

}  // namespace stkit
