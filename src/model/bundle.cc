#include "model/bundle.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "base/byte_reader.h"
#include "formats/finding_log.h"
#include "formats/safetensors_reader.h"
#include "io/safe_name.h"
#include "model/listing.h"
#include "model/other_formats.h"
#include "model/shard_name.h"
#include "model/strays.h"
#include "model/weight_choice.h"
#include "stkit/text.h"

namespace stkit {
namespace {

// Enough to recognise any content by.
constexpr size_t kHeadBytes = 4096;
// A folder of hundreds of subfolders is a collection, and the message about it short anyway.
constexpr size_t kMaxSubfolders = 64;

std::string trimmed(std::string_view folder_prefix) {
  return std::string(folder_prefix.substr(0, folder_prefix.size() - !folder_prefix.empty()));
}

// --- What a selected file is ------------------------------------------------------------------

enum class SelectedKind : uint8_t { Weights, Index, Config };

// JSON text read as a length is beyond 2^56, so the two cannot be confused.
bool looks_like_safetensors(std::span<const std::byte> head) {
  constexpr uint64_t kBeyondAnyHeader = uint64_t{1} << 48;
  ByteReader in(head);
  const uint64_t header_bytes = in.u64();
  const uint8_t first = in.u8();
  return in.ok() && header_bytes < kBeyondAnyHeader &&
         std::string_view("{ \t\r\n").find(static_cast<char>(first)) != std::string_view::npos;
}

bool looks_like_json(std::span<const std::byte> head) {
  const std::string_view text(reinterpret_cast<const char*>(head.data()), head.size());
  const size_t first = text.find_first_not_of(" \t\r\n");
  return first != std::string_view::npos && text[first] == '{';
}

bool is_config_name(std::string_view base) { return glob_match("*config*.json", base); }

Result<SelectedKind> classify(const Folder& folder, std::string_view selected,
                              uint64_t max_index_bytes, std::optional<ShardIndex>& index) {
  STKIT_ASSIGN(const std::unique_ptr<RandomAccessFile> file, folder.open(selected));
  std::array<std::byte, kHeadBytes> buffer;
  const std::span<std::byte> head =
      std::span(buffer).first(std::min<uint64_t>(kHeadBytes, file->size_bytes()));
  STKIT_TRY(file->read_at(0, head));

  const std::string_view base = base_name(selected);
  if (looks_like_safetensors(head) || is_weights_name(base)) return SelectedKind::Weights;
  if (looks_like_json(head)) {
    if (is_config_name(base)) return SelectedKind::Config;
    STKIT_ASSIGN(index, read_shard_index(*file, max_index_bytes));
    if (index->usable || base.ends_with(".index.json")) return SelectedKind::Index;
    return fail(unsupported_format("a JSON file that is neither an index nor a config.json",
                                   file->label(), "name a weight file, an index or a folder"));
  }
  if (file->size_bytes() == 0) return fail(unsupported_format("an empty file", file->label()));
  const ForeignContent foreign = recognise_foreign(head);
  return fail(unsupported_format(foreign.what.empty() ? "content of no known format" : foreign.what,
                                 file->label(), foreign.cure));
}

// --- The files of an index --------------------------------------------------------------------

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
      auto listing = folder_.list(trimmed(prefix));
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

// --- Folders ------------------------------------------------------------------------------------

// Lower is better: the names that loaders look for, variants, Mistral's second copy.
int index_rank(std::string_view base) {
  if (glob_match("{model,diffusion_pytorch_model}.safetensors.index.json", base)) return 0;
  return glob_match("consolidated*", base) ? 2 : 1;
}

const FolderEntry* choose_index(const Folder& folder, Bundle& bundle) {
  std::vector<const FolderEntry*> found;
  for (const FolderEntry& entry : bundle.listing) {
    if (!is_index_name(entry.name)) continue;
    if (entry.kind == EntryKind::File)
      found.push_back(&entry);
    else
      bundle.findings.push_back(not_a_file(folder, entry));
  }
  if (found.empty()) return nullptr;
  const auto by_rank = [](const FolderEntry* entry) { return index_rank(base_name(entry->name)); };
  std::ranges::stable_sort(found, {}, by_rank);
  std::vector<std::string> equals;
  for (const FolderEntry* entry : found)
    if (by_rank(entry) == by_rank(found.front())) equals.emplace_back(base_name(entry->name));
  if (equals.size() > 1)
    bundle.findings.push_back(
        {.check = Check::AmbiguousModel,
         .path = folder.label(),
         .message = fmt::format("the folder holds several indexes: {}", list_names(equals))});
  return found.front();
}

// Names of subfolders that hold weights: the components of a diffusers pipeline, checkpoints.
std::vector<std::string> folders_with_weights(const Folder& folder, const Bundle& bundle) {
  std::vector<std::string> found;
  size_t looked_at = 0;
  for (const FolderEntry& entry : bundle.listing) {
    if (entry.kind != EntryKind::Folder || base_name(entry.name).starts_with('.')) continue;
    if (++looked_at > kMaxSubfolders) break;
    const auto listing = folder.list(entry.name);
    if (listing && std::ranges::any_of(*listing, [](const FolderEntry& child) {
          return is_weights_name(child.name);
        }))
      found.emplace_back(base_name(entry.name));
  }
  return found;
}

// No weight file at the top: says what there is instead.
Result<void> explain_no_weights(const Folder& folder, Bundle& bundle) {
  const bool has_broken = std::ranges::any_of(
      bundle.listing, [](const FolderEntry& entry) { return is_weights_name(entry.name); });
  if (has_broken) return {};  // a finding each, see find_strays

  const bool pipeline =
      find_entry(bundle.listing, bundle.subfolder + "model_index.json") != nullptr;
  const std::string others = describe_other_formats(bundle.listing);
  if (!others.empty() && !pipeline)
    return fail(unsupported_format("a folder of " + others, folder.label()));

  const std::vector<std::string> inside = folders_with_weights(folder, bundle);
  if (inside.empty()) {
    bundle.findings.push_back({.check = Check::NoWeights,
                               .path = folder.label(),
                               .message = "the folder holds no weight files"});
    return {};
  }
  bundle.findings.push_back(
      {.check = Check::AmbiguousModel,
       .path = folder.label(),
       .message = fmt::format("{}: the weights are in its folders {}",
                              pipeline ? "a pipeline of several models" : "no weights at the top",
                              list_names(inside)),
       .hint = fmt::format("name the one that is meant: {}", folder.path_of(inside.front()))});
  return {};
}

Result<void> take_weights_without_index(const Folder& folder, bool had_index, Bundle& bundle) {
  std::vector<FolderEntry> candidates;
  for (const FolderEntry& entry : bundle.listing)
    if (is_weights_name(entry.name) && entry.kind == EntryKind::File) candidates.push_back(entry);
  if (candidates.empty()) return explain_no_weights(folder, bundle);

  WeightChoice choice = choose_weights(candidates, folder);
  for (const FolderEntry* entry : choice.files) bundle.weights.push_back(*entry);
  bundle.unrelated_files = choice.unrelated_files;
  std::ranges::move(choice.findings, std::back_inserter(bundle.findings));
  if (bundle.weights.size() > 1 && !had_index)
    bundle.findings.push_back({.check = Check::NoIndex,
                               .path = folder.label(),
                               .message = fmt::format("{} weight files, but no index",
                                                      format_grouped(bundle.weights.size()))});
  return {};
}

// A lone file is the model all by itself. The folder's config.json is about it unless the folder is
// a collection.
Result<void> take_single_file(const Folder& folder, std::string_view selected, Bundle& bundle) {
  const FolderEntry* entry = find_entry(bundle.listing, selected);
  if (entry == nullptr)
    return fail(ErrorCode::NotFound, "no such file", {}, folder.path_of(selected));
  bundle.weights.push_back(*entry);
  bundle.is_selected_file = true;
  const auto weights = std::ranges::count_if(
      bundle.listing, [](const FolderEntry& other) { return is_weights_name(other.name); });
  const std::string_view base = base_name(selected);
  bundle.has_companions = weights <= 1 || parse_shard_name(base).has_value() ||
                          glob_match("{model,diffusion_pytorch_model}.*", base);
  return {};
}

bool is_index_of_pytorch_files(const ShardIndex& index) {
  return !index.files.empty() && std::ranges::all_of(index.files, [](std::string_view file) {
    return glob_match("*.{bin,pt,pth}", file);
  });
}

}  // namespace

Finding not_a_file(const Folder& folder, const FolderEntry& entry) {
  return {.check = Check::NotAFile,
          .path = folder.path_of(entry.name),
          .message = fmt::format("{} {}", quoted_name(base_name(entry.name)),
                                 entry.kind == EntryKind::Folder ? "is a folder" : entry.problem)};
}

Result<Bundle> find_bundle(const Folder& folder, std::string_view selected,
                           uint64_t max_index_bytes) {
  Bundle bundle;
  bundle.subfolder = folder_prefix(selected);
  STKIT_ASSIGN(bundle.listing, folder.list(trimmed(bundle.subfolder)));

  std::optional<ShardIndex> index;
  std::string index_name;
  if (!selected.empty()) {
    STKIT_ASSIGN(const SelectedKind kind, classify(folder, selected, max_index_bytes, index));
    if (kind == SelectedKind::Weights) {
      STKIT_TRY(take_single_file(folder, selected, bundle));
      return bundle;
    }
    if (kind == SelectedKind::Index) index_name = selected;
  }
  if (!index) {
    if (const FolderEntry* entry = choose_index(folder, bundle)) {
      index_name = entry->name;
      STKIT_ASSIGN(const std::unique_ptr<RandomAccessFile> file, folder.open(index_name));
      STKIT_ASSIGN(index, read_shard_index(*file, max_index_bytes));
    }
  }
  if (index && is_index_of_pytorch_files(*index))
    return fail(unsupported_format("an index of PyTorch weights", folder.path_of(index_name)));

  const bool had_index = index.has_value();
  if (index) STKIT_TRY(take_index(folder, index_name, std::move(*index), bundle));
  if (!bundle.index) STKIT_TRY(take_weights_without_index(folder, had_index, bundle));
  find_strays(folder, bundle);
  return bundle;
}

}  // namespace stkit
