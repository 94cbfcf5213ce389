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
      if (!listing && listing.error().code == ErrorCode::NotFound)
        listing = std::vector<FolderEntry>();
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

// One shard that an index names: into bundle.weights, or a finding why not.
Result<void> add_indexed_shard(const Folder& folder, std::string_view shard, uint64_t tensors,
                               EntryFinder& entries, Bundle& bundle) {
  const std::string what = fmt::format("the index places {} {} in {}", format_grouped(tensors),
                                       tensors == 1 ? "tensor" : "tensors", quoted_name(shard));
  if (const auto safe = check_relative_name(shard); !safe) {
    bundle.findings.push_back({.check = Check::UnsafePath,
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
    bundle.findings.push_back({.check = Check::NotAFile,
                               .path = folder.path_of(name),
                               .message = fmt::format("{}: {}", what, found.error().message)});
    return {};
  }
  const FolderEntry* entry = *found;
  if (entry == nullptr)
    bundle.findings.push_back({.check = Check::MissingShard,
                               .path = folder.path_of(name),
                               .message = what + ", which is missing"});
  else if (entry->kind != EntryKind::File)
    bundle.findings.push_back(not_a_file(folder, *entry));
  else
    bundle.weights.push_back(*entry);
  return {};
}

// unsloth-zoo#950: an index of one of five shards loads without complaint, and four are lost.
void check_indexed_sets(const Folder& folder, Bundle& bundle) {
  std::map<decltype(ShardName{}.set_key()), std::pair<ShardName, std::set<uint32_t>>> sets;
  for (const std::string_view file : bundle.index->files)
    if (const auto shard = parse_shard_name(base_name(file))) {
      auto& [name, numbers] = sets[shard->set_key()];
      name = *shard;
      numbers.insert(shard->number);
    }
  for (const auto& [key, set] : sets) {
    const auto& [name, numbers] = set;
    if (numbers.size() == name.count) continue;
    bundle.findings.push_back(
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
  for (size_t i = 0; i < tensors.size(); ++i)
    STKIT_TRY(add_indexed_shard(folder, bundle.index->files[i], tensors[i], entries, bundle));

  std::ranges::sort(bundle.weights, {}, &FolderEntry::name);
  for (const std::string_view file : bundle.index->files) {
    const FolderEntry* entry = find_entry(bundle.weights, bundle.subfolder + std::string(file));
    bundle.weights_of_index_file.push_back(
        entry == nullptr ? Bundle::kAbsent : static_cast<uint32_t>(entry - bundle.weights.data()));
  }
  check_indexed_sets(folder, bundle);
  return {};
}

}  // namespace stkit
