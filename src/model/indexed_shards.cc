#include "model/indexed_shards.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "formats/finding_log.h"
#include "io/safe_name.h"
#include "model/listing.h"
#include "model/shard_name.h"
#include "stkit/text.h"

namespace stkit {
namespace {

// Entries of the folder and, for shards that an index places there, of its subfolders.
class EntryFinder {
 public:
  EntryFinder(const Folder& folder, const Bundle& bundle) : folder_(folder), bundle_(bundle) {}

  // Null when there is no such entry. `name` is relative to the folder.
  Result<const FolderEntry*> find(const std::string& name) {
    const std::string prefix(folder_prefix(name));
    if (prefix == bundle_.subfolder) return find_entry(bundle_.listing, name);
    auto known = listings_.find(prefix);
    if (known == listings_.end()) {
      auto listing = folder_.list(without_slash(prefix));
      if (!listing && listing.error().code == ErrorCode::NotFound) return nullptr;
      known = listings_.emplace(prefix, std::move(listing)).first;
    }
    if (!known->second) return fail(known->second.error());
    return find_entry(*known->second, name);
  }

 private:
  const Folder& folder_;
  const Bundle& bundle_;
  std::map<std::string, Result<std::vector<FolderEntry>>> listings_;
};

// What is wrong with the shards that an index names. A forged one names them by the hundred
// thousand; more than these are counted, but not listed.
class ShardFindings {
 public:
  ShardFindings(const Folder& folder, Bundle& bundle) : folder_(folder), bundle_(bundle) {}

  void add(Finding finding) {
    if (++seen_[finding.check] <= kMaxOfAKind) bundle_.findings.push_back(std::move(finding));
  }

  void add_rest() {
    for (const auto& [check, count] : seen_)
      if (count > kMaxOfAKind)
        bundle_.findings.push_back(
            {.check = check,
             .path = folder_.path_of(bundle_.index_name),
             .message = fmt::format("the index names {} of this kind",
                                    counted(count - kMaxOfAKind, "more file"))});
  }

 private:
  static constexpr uint64_t kMaxOfAKind = 1000;  // no published model has as many shards
  const Folder& folder_;
  Bundle& bundle_;
  std::map<Check, uint64_t> seen_;
};

// One shard that an index names: into bundle.weights, or a finding why not.
Result<void> add_indexed_shard(const Folder& folder, std::string_view shard, uint64_t tensors,
                               EntryFinder& entries, ShardFindings& findings, Bundle& bundle) {
  const std::string what =
      fmt::format("the index places {} in {}", counted(tensors, "tensor"), quoted_name(shard));
  if (const auto safe = check_relative_name(shard); !safe) {
    findings.add({.check = Check::UnsafePath,
                  .path = folder.path_of(bundle.index_name),
                  .message = fmt::format("{}: {}", what, safe.error().message)});
    return {};
  }
  const std::string name = bundle.subfolder + std::string(shard);
  const Result<const FolderEntry*> found = entries.find(name);
  if (!found) {
    if (found.error().code == ErrorCode::AccessDenied ||
        found.error().code == ErrorCode::ReadFailed)
      return fail(found.error());
    findings.add({.check = Check::NotAFile,
                  .path = folder.path_of(name),
                  .message = fmt::format("{}: {}", what, found.error().message)});
    return {};
  }
  const FolderEntry* entry = *found;
  if (entry == nullptr)
    findings.add({.check = Check::MissingShard,
                  .path = folder.path_of(name),
                  .message = what + ", which is missing"});
  else if (entry->kind != EntryKind::File)
    findings.add(not_a_file(folder, *entry));
  else
    bundle.weights.push_back(*entry);
  return {};
}

// unsloth-zoo#950: an index of one of five shards loads without complaint, and four are lost.
void check_indexed_sets(const Folder& folder, ShardFindings& findings, const Bundle& bundle) {
  constexpr size_t kMaxSets = 1000;  // a model has one or a few
  std::map<decltype(ShardName{}.set_key()), std::pair<ShardName, std::set<uint32_t>>> sets;
  for (const std::string_view file : bundle.index->files)
    if (const auto shard = parse_shard_name(base_name(file))) {
      if (sets.size() == kMaxSets && !sets.contains(shard->set_key())) continue;
      auto& [name, numbers] = sets[shard->set_key()];
      name = *shard;
      numbers.insert(shard->number);
    }
  for (const auto& [key, set] : sets) {
    const auto& [name, numbers] = set;
    if (numbers.size() == name.count) continue;
    findings.add(
        {.check = Check::IncompleteSet,
         .path = folder.path_of(bundle.index_name),
         .message = fmt::format("the index names {} of the {} files of {}", numbers.size(),
                                format_grouped(name.count), quoted_name(set_pattern(name))),
         .hint = "the index is of another version; download index and shards again"});
  }
}

}  // namespace

Result<void> take_index(const Folder& folder, std::string name, ShardIndex index, Bundle& bundle) {
  bundle.findings.insert(bundle.findings.end(), index.findings.begin(), index.findings.end());
  if (!index.usable) return {};
  bundle.index_name = std::move(name);
  bundle.index = std::move(index);

  std::vector<uint64_t> tensors(bundle.index->files.size());
  for (const ShardIndex::Entry& entry : bundle.index->entries) ++tensors[entry.file];
  EntryFinder entries(folder, bundle);
  ShardFindings findings(folder, bundle);
  for (size_t i = 0; i < tensors.size(); ++i)
    STKIT_TRY(
        add_indexed_shard(folder, bundle.index->files[i], tensors[i], entries, findings, bundle));

  std::ranges::sort(bundle.weights, {}, &FolderEntry::name);
  for (const std::string_view file : bundle.index->files) {
    const FolderEntry* entry = find_entry(bundle.weights, bundle.subfolder + std::string(file));
    bundle.weights_of_index_file.push_back(
        entry == nullptr ? Bundle::kAbsent : static_cast<uint32_t>(entry - bundle.weights.data()));
  }
  check_indexed_sets(folder, findings, bundle);
  findings.add_rest();
  return {};
}

}  // namespace stkit
