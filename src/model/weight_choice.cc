#include "model/weight_choice.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <string_view>
#include <utility>

#include "formats/finding_log.h"
#include "model/listing.h"
#include "model/shard_name.h"
#include "stkit/text.h"

namespace stkit {
namespace {

constexpr std::string_view kCanonicalNames =
    "{{model,diffusion_pytorch_model}.safetensors,{pytorch_model,diffusion_pytorch_model}.bin}";

// A second copy, or a part that is no model by itself. They are the model only when nothing else
// is there.
constexpr std::string_view kSecondaryNames[] = {
    "consolidated*",  // Mistral's own layout, beside the shards of transformers
    "adapter_model*", "optimizer*", "*training_args*", "mtp.safetensors", "mtp-*",
};

struct Set {
  ShardName name;  // of its first file
  std::vector<const FolderEntry*> files;
  std::set<uint32_t> numbers;

  // N different numbers are 1..N, or 0..N-1 as some tools count.
  bool complete() const { return numbers.size() == name.count; }
};

struct Candidates {
  std::map<decltype(ShardName{}.set_key()), Set> sets;
  std::vector<const FolderEntry*> singles;
};

// model.fp16.safetensors beside model.safetensors.
bool is_variant(const FolderEntry& entry, std::span<const FolderEntry> candidates) {
  const std::string_view base = base_name(entry.name);
  const std::string plain = std::string(folder_prefix(entry.name)) +
                            std::string(base.substr(0, base.find('.'))) +
                            std::string(base.substr(std::min(base.rfind('.'), base.size())));
  return entry.name != plain && find_entry(candidates, plain) != nullptr;
}

std::vector<const FolderEntry*> without_secondary(std::span<const FolderEntry> candidates) {
  std::vector<const FolderEntry*> all, primary;
  for (const FolderEntry& entry : candidates) {
    const std::string_view base = base_name(entry.name);
    const bool secondary = std::ranges::any_of(
        kSecondaryNames, [&](std::string_view pattern) { return glob_match(pattern, base); });
    all.push_back(&entry);
    if (!secondary && !is_variant(entry, candidates)) primary.push_back(&entry);
  }
  return primary.empty() ? all : primary;
}

Candidates group(std::span<const FolderEntry* const> files) {
  Candidates candidates;
  for (const FolderEntry* file : files) {
    const auto shard = parse_shard_name(base_name(file->name));
    if (!shard) {
      candidates.singles.push_back(file);
      continue;
    }
    Set& set = candidates.sets.try_emplace(shard->set_key(), Set{*shard, {}, {}}).first->second;
    set.files.push_back(file);
    set.numbers.insert(shard->number);
  }
  return candidates;
}

Finding incomplete_set(const Set& set, const Folder& folder) {
  // One more number than there are files is sure to show a gap; naming all would let a forged N
  // make a list of millions.
  std::vector<std::string> missing;
  for (uint32_t number = 1; number <= set.name.count && number <= set.numbers.size() + 1; ++number)
    if (!set.numbers.contains(number))
      missing.push_back(fmt::format("{}-{:0{}}-of-{}{}", set.name.stem, number, set.name.digits,
                                    set.name.count_text, set.name.suffix));
  return {.check = Check::IncompleteSet,
          .path = folder.label(),
          .message = fmt::format("{} of the {} files of {} are missing, first {}",
                                 format_grouped(set.name.count - set.numbers.size()),
                                 format_grouped(set.name.count), quoted_name(set_pattern(set.name)),
                                 list_names(missing))};
}

Finding ambiguous(std::span<const std::string> names, const Folder& folder) {
  return {.check = Check::AmbiguousModel,
          .path = folder.label(),
          .message = fmt::format("the folder holds several models: {}", list_names(names))};
}

}  // namespace

std::string list_names(std::span<const std::string> names) {
  constexpr size_t kShown = 5;
  std::string text;
  for (const std::string& name : names.first(std::min(names.size(), kShown)))
    text += (text.empty() ? "" : ", ") + quoted_name(name);
  if (names.size() > kShown)
    text += fmt::format(" and {} more", format_grouped(names.size() - kShown));
  return text;
}

WeightChoice choose_weights(std::span<const FolderEntry> candidates, const Folder& folder) {
  const Candidates found = group(without_secondary(candidates));
  const auto canonical = std::ranges::find_if(found.singles, [](const FolderEntry* file) {
    return glob_match(kCanonicalNames, base_name(file->name));
  });
  std::vector<const Set*> complete;
  const Set* largest = nullptr;
  for (const auto& [key, set] : found.sets) {
    if (set.complete()) complete.push_back(&set);
    if (largest == nullptr || set.files.size() > largest->files.size()) largest = &set;
  }

  WeightChoice choice;
  if (canonical != found.singles.end()) {
    choice.files = {*canonical};
    if (!complete.empty())
      choice.findings.push_back(ambiguous(std::vector{std::string(base_name((*canonical)->name)),
                                                      set_pattern(complete.front()->name)},
                                          folder));
  } else if (largest != nullptr) {
    choice.files = complete.empty() ? largest->files : complete.front()->files;
    choice.is_set = true;
    if (complete.size() > 1) {
      std::vector<std::string> names;
      for (const Set* set : complete) names.push_back(set_pattern(set->name));
      choice.findings.push_back(ambiguous(names, folder));
    }
    if (complete.empty()) choice.findings.push_back(incomplete_set(*largest, folder));
  } else {
    choice.files = found.singles;
    choice.unrelated_files = found.singles.size() > 1;
  }
  return choice;
}

}  // namespace stkit
