#include "model/distributed_scan.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "model/dcp_scan.h"
#include "model/listing.h"
#include "model/rank_files.h"
#include "model/sharded_safetensors.h"
#include "model/weight_choice.h"
#include "stkit/text.h"

namespace stkit {
namespace {

// Folders of a checkpoint that hold something else than the model.
constexpr std::string_view kOtherFolders = "{optimizer*,optim*,.*}";
// A model among other folders is in one of the first.
constexpr size_t kMaxSubfolders = 64;

bool has_dcp_files(std::span<const FolderEntry> listing) {
  return std::ranges::any_of(listing, [](const FolderEntry& entry) {
    const std::string_view base = base_name(entry.name);
    return entry.kind == EntryKind::File && (base == ".metadata" || base.ends_with(".distcp"));
  });
}

using Scan = Result<ModelContents> (*)(std::shared_ptr<const Folder>, const std::string&,
                                       const OpenOptions&);

struct Kind {
  FileFormat format;
  bool (*is_in)(std::span<const FolderEntry>);
  Scan scan;
};

constexpr Kind kKinds[] = {
    {FileFormat::Dcp, has_dcp_files, scan_dcp},
    {FileFormat::Dcp, has_sharded_safetensors, scan_sharded_safetensors},
    {FileFormat::PyTorch, has_rank_files, scan_rank_files},
};

const Kind* find_kind(std::span<const FolderEntry> listing, std::optional<FileFormat> wanted) {
  for (const Kind& kind : kKinds)
    if ((!wanted || wanted == kind.format) && kind.is_in(listing)) return &kind;
  return nullptr;
}

// Weights that are whole come first, unless another kind is asked for.
bool has_whole_weights(std::span<const FolderEntry> listing) {
  return !has_sharded_safetensors(listing) &&
         std::ranges::any_of(listing, [](const FolderEntry& entry) {
           return is_weights_name(entry.name) || is_index_name(entry.name);
         });
}

struct Place {
  const Kind* kind;
  std::string prefix;
};

std::vector<Place> find_in_folders(const Folder& folder, std::span<const FolderEntry> listing,
                                   std::optional<FileFormat> wanted) {
  std::vector<Place> found;
  size_t looked_at = 0;
  for (const FolderEntry& entry : listing) {
    if (entry.kind != EntryKind::Folder || glob_match(kOtherFolders, base_name(entry.name)))
      continue;
    if (++looked_at > kMaxSubfolders) break;
    const auto inside = folder.list(entry.name);
    const Kind* const kind = inside ? find_kind(*inside, wanted) : nullptr;
    if (kind != nullptr) found.push_back({kind, entry.name + "/"});
  }
  return found;
}

ModelContents ambiguous(std::shared_ptr<const Folder> folder, const std::vector<Place>& places) {
  std::vector<std::string> names;
  for (const Place& place : places) names.push_back(place.prefix);
  ModelContents contents;
  contents.findings.push_back(
      {.check = Check::AmbiguousModel,
       .path = folder->label(),
       .message = fmt::format("the folder holds several checkpoints: {}", list_names(names)),
       .hint = fmt::format("name the one that is meant: {}", folder->path_of(names.front()))});
  contents.format = places.front().kind->format;
  contents.pool = std::make_unique<FilePool>(folder, std::vector<std::string>());
  contents.folder = std::move(folder);
  return contents;
}

// The listing with nothing in it but the file: a file that is no part of a checkpoint is a model by
// itself.
std::vector<FolderEntry> only(std::span<const FolderEntry> listing, std::string_view name) {
  const FolderEntry* const entry = find_entry(listing, name);
  return entry == nullptr ? std::vector<FolderEntry>() : std::vector{*entry};
}

}  // namespace

bool is_distributed_folder(std::span<const FolderEntry> listing) {
  return find_kind(listing, std::nullopt) != nullptr;
}

std::vector<std::string> distributed_subfolders(const Folder& folder,
                                                std::span<const FolderEntry> listing) {
  std::vector<std::string> prefixes;
  for (const Place& place : find_in_folders(folder, listing, std::nullopt))
    prefixes.push_back(place.prefix);
  return prefixes;
}

Result<std::optional<ModelContents>> scan_distributed(std::shared_ptr<const Folder> folder,
                                                      std::string_view selected,
                                                      const OpenOptions& options) {
  const std::string prefix(folder_prefix(selected));
  const auto listing = folder->list(without_slash(std::string_view(prefix)));
  if (!listing) return std::optional<ModelContents>();  // who reads it next says why
  const auto scan = [&](const Kind& kind,
                        const std::string& at) -> Result<std::optional<ModelContents>> {
    STKIT_ASSIGN(ModelContents contents, kind.scan(folder, at, options));
    return std::optional(std::move(contents));
  };
  if (!selected.empty()) {
    const Kind* const kind = find_kind(only(*listing, selected), options.format);
    return kind != nullptr ? scan(*kind, prefix) : std::optional<ModelContents>();
  }
  if (!options.format && has_whole_weights(*listing)) return std::optional<ModelContents>();
  if (const Kind* const kind = find_kind(*listing, options.format)) return scan(*kind, prefix);
  const auto is_weights = [](const FolderEntry& entry) {
    return is_weights_name(entry.name, FileFormat::PyTorch);
  };
  if (!options.format && std::ranges::any_of(*listing, is_weights))
    return std::optional<ModelContents>();
  const std::vector<Place> inside = find_in_folders(*folder, *listing, options.format);
  if (inside.empty()) return std::optional<ModelContents>();
  if (inside.size() > 1) return std::optional(ambiguous(std::move(folder), inside));
  return scan(*inside.front().kind, inside.front().prefix);
}

}  // namespace stkit
