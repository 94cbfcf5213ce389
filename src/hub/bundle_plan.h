// Which files of a repository belong to its model, with the reason for each.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "hub/api.h"
#include "stkit/error.h"

namespace stkit {

enum class WeightFormat : uint8_t { Auto, Safetensors, Gguf, PyTorch, All };

struct BundleSelection {
  WeightFormat format = WeightFormat::Auto;
  // Globs over whole paths. With `include`, exactly the files that match one of them; `exclude`
  // takes away from whatever was chosen.
  std::vector<std::string> include = {}, exclude = {};
};

struct PlannedFile {
  RepoFile file;
  bool taken = false;
  std::string_view reason;  // static
};

struct BundlePlan {
  WeightFormat format = WeightFormat::Auto;  // that was found; Auto when the globs chose
  std::vector<PlannedFile> files;            // all of the repository, sorted by path

  uint64_t taken_bytes() const;
};

// The main weights as far as names tell: of `format`, or with Auto of the first that there is.
struct NamedWeights {
  WeightFormat format = WeightFormat::Auto;  // Auto: there are none
  std::set<std::string> paths;
};
NamedWeights weights_by_name(const RepoTree& tree, WeightFormat format);

// The index of the main weights (model.safetensors.index.json), when the selection needs to know
// what it names: the caller fetches it. Null when there is none.
const RepoFile* index_to_read(const RepoTree& tree, const BundleSelection& selection);

// `indexed`: the paths that this index names. Fails with NotFound when nothing is left to take,
// with Usage when several sets of weights are equally good, with Corrupt when a file that is taken
// has a name that leads out of the folder.
Result<BundlePlan> plan_bundle(const RepoTree& tree, const BundleSelection& selection,
                               const std::optional<std::set<std::string>>& indexed);

}  // namespace stkit
