#include "model/dcp_choice.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "formats/finding_log.h"
#include "model/torch_state_dict.h"
#include "model/weight_choice.h"
#include "stkit/text.h"

namespace stkit {
namespace {

using Path = std::vector<std::string>;

std::string join(const Path& path) { return fmt::format("{}", fmt::join(path, ".")); }

// A dict of what was saved.
struct Dict {
  std::map<std::string_view, std::unique_ptr<Dict>> dicts;
  std::vector<size_t> tensors;  // whose path ends here
  size_t objects = 0;

  bool is_weights() const { return tensors.size() * 2 > tensors.size() + objects + dicts.size(); }
};

struct Candidate {
  std::string path;
  const Dict* dict;
};

// Megatron saves one flat dict, in which a name says by its front what it is of.
bool is_flat_training_state(const Path& path) {
  constexpr std::string_view kOwners[] = {"optimizer",  "optim",       "lr_scheduler",
                                          "dataloader", "train_state", "rng_state"};
  const std::string_view name = path.back();
  const size_t dot = name.find('.');
  return dot != std::string_view::npos &&
         std::ranges::find(kOwners, name.substr(0, dot)) != std::end(kOwners);
}

class Tree {
 public:
  explicit Tree(const DcpMetadata& metadata) {
    for (size_t i = 0; i < metadata.tensors.size(); ++i) {
      const Path& path = metadata.tensors[i].path;
      if (Dict* const dict = owner(path); dict != nullptr && !is_flat_training_state(path))
        dict->tensors.push_back(i);
    }
    for (const Path& path : metadata.objects)
      if (Dict* const dict = owner(path)) ++dict->objects;
  }

  // Breadth first, and never below a candidate.
  std::vector<Candidate> candidates() const {
    std::vector<Candidate> level = {{"", &root_}}, found;
    while (!level.empty()) {
      std::vector<Candidate> next;
      for (const Candidate& at : level) {
        if (at.dict->is_weights()) {
          found.push_back(at);
          continue;
        }
        for (const auto& [name, dict] : at.dict->dicts)
          if (!is_training_state(name))
            next.push_back({at.path.empty() ? std::string(name) : at.path + "." + std::string(name),
                            dict.get()});
      }
      level = std::move(next);
    }
    return found;
  }

  // Keys may hold dots themselves, so the longest that fits comes first.
  static const Dict* find(const Dict& dict, std::string_view key) {
    if (key.empty()) return &dict;
    for (size_t end = key.size(); end != std::string_view::npos && end > 0;
         end = key.rfind('.', end - 1)) {
      const auto child = dict.dicts.find(key.substr(0, end));
      if (child == dict.dicts.end()) continue;
      const std::string_view rest = end == key.size() ? std::string_view() : key.substr(end + 1);
      if (const Dict* const found = find(*child->second, rest)) return found;
    }
    return nullptr;
  }

  const Dict& root() const { return root_; }

 private:
  // Nesting beyond that is no checkpoint; the search would go as deep.
  static constexpr size_t kMaxDepth = 64;

  Dict* owner(const Path& path) {
    if (path.size() > kMaxDepth) return nullptr;
    Dict* dict = &root_;
    for (size_t i = 0; i + 1 < path.size(); ++i) {
      auto& child = dict->dicts[path[i]];
      if (!child) child = std::make_unique<Dict>();
      dict = child.get();
    }
    return dict;
  }

  Dict root_;
};

std::string describe(const std::vector<Candidate>& candidates) {
  std::vector<std::string> paths;
  for (const Candidate& candidate : candidates) paths.push_back(candidate.path);
  return list_names(paths);
}

TorchProblem nothing_at(std::string_view key, const std::vector<Candidate>& candidates) {
  if (key.empty()) return {Check::NoTorchTensors, "no dict of the checkpoint holds tensors mostly"};
  std::string message =
      fmt::format("the checkpoint has no dict of tensors at {}", quoted_name(key));
  if (!candidates.empty()) message += fmt::format("; there are {}", describe(candidates));
  return {Check::NoTorchTensors, std::move(message)};
}

// All tensors below the dict, each by the rest of its path.
void collect(const DcpMetadata& metadata, const Dict& dict, const std::string& prefix,
             DcpChoice& choice) {
  for (const size_t tensor : dict.tensors)
    choice.entries.push_back({tensor, prefix + metadata.tensors[tensor].path.back()});
  for (const auto& [name, child] : dict.dicts)
    if (!is_training_state(name))
      collect(metadata, *child, prefix + std::string(name) + ".", choice);
}

void note_skipped(const DcpMetadata& metadata, DcpChoice& choice) {
  std::set<size_t> taken;
  for (const DcpChoice::Entry& entry : choice.entries) taken.insert(entry.tensor);
  choice.skipped = metadata.tensors.size() - taken.size() + metadata.objects.size();
  for (size_t i = 0; i < metadata.tensors.size() && choice.first_skipped.empty(); ++i)
    if (!taken.contains(i)) choice.first_skipped = join(metadata.tensors[i].path);
  if (choice.first_skipped.empty() && !metadata.objects.empty())
    choice.first_skipped = join(metadata.objects.front());
}

}  // namespace

std::expected<DcpChoice, TorchProblem> choose_dcp_tensors(const DcpMetadata& metadata,
                                                          std::string_view key) {
  const Tree tree(metadata);
  const std::vector<Candidate> candidates = tree.candidates();
  const Dict* dict = nullptr;
  if (!key.empty()) {
    dict = Tree::find(tree.root(), key);
  } else if (candidates.size() > 1) {
    return std::unexpected(
        TorchProblem{Check::AmbiguousWeights,
                     fmt::format("the checkpoint holds {} dicts of tensors: {}",
                                 format_grouped(candidates.size()), describe(candidates))});
  } else if (!candidates.empty()) {
    dict = candidates.front().dict;
  }
  DcpChoice choice;
  if (dict != nullptr) collect(metadata, *dict, "", choice);
  if (choice.entries.empty()) return std::unexpected(nothing_at(key, candidates));
  note_skipped(metadata, choice);
  std::vector<std::string> names;
  for (const DcpChoice::Entry& entry : choice.entries) names.push_back(entry.name);
  choice.prefixes = strip_wrapper_prefixes(names);
  for (size_t i = 0; i < names.size(); ++i) choice.entries[i].name = std::move(names[i]);
  return choice;
}

}  // namespace stkit
