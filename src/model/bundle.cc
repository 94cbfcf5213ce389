#include "model/bundle.h"

#include <fmt/format.h>

#include <algorithm>

#include "model/indexed_shards.h"
#include "model/listing.h"
#include "model/other_formats.h"
#include "model/selected_file.h"
#include "model/shard_name.h"
#include "model/strays.h"
#include "model/weight_choice.h"
#include "stkit/text.h"

namespace stkit {
namespace {

// A folder of hundreds of subfolders is a collection, and the message about it short anyway.
constexpr size_t kMaxSubfolders = 64;

// Lower is better: the names that loaders look for, variants, Mistral's second copy.
int index_rank(std::string_view base) {
  if (glob_match("{model,pytorch_model,diffusion_pytorch_model}.{safetensors,bin}.index.json",
                 base))
    return 0;
  return glob_match("consolidated*", base) ? 2 : 1;
}

const FolderEntry* choose_index(const Folder& folder, Bundle& bundle) {
  std::vector<const FolderEntry*> found;
  for (const FolderEntry& entry : bundle.listing) {
    if (!is_index_name(entry.name, bundle.format)) continue;
    if (entry.kind == EntryKind::File)
      found.push_back(&entry);
    else
      bundle.findings.push_back(not_a_file(folder, entry));
  }
  if (found.empty()) return nullptr;
  const auto rank = [](const FolderEntry* entry) { return index_rank(base_name(entry->name)); };
  const FolderEntry* best = *std::ranges::min_element(found, {}, rank);
  std::vector<std::string> equals;
  for (const FolderEntry* entry : found)
    if (rank(entry) == rank(best)) equals.emplace_back(base_name(entry->name));
  if (equals.size() > 1)
    bundle.findings.push_back(
        {.check = Check::AmbiguousModel,
         .path = folder.label(),
         .message = fmt::format("the folder holds several indexes: {}", list_names(equals))});
  return best;
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
  const bool has_broken = std::ranges::any_of(bundle.listing, [&](const FolderEntry& entry) {
    return is_weights_name(entry.name, bundle.format);
  });
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
    if (is_weights_name(entry.name, bundle.format) && entry.kind == EntryKind::File)
      candidates.push_back(entry);
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
  const auto weights = std::ranges::count_if(bundle.listing, [&](const FolderEntry& other) {
    return is_weights_name(other.name, bundle.format);
  });
  const std::string_view base = base_name(selected);
  bundle.has_companions = weights <= 1 || parse_shard_name(base).has_value() ||
                          glob_match("{model,pytorch_model,diffusion_pytorch_model}.*", base);
  return {};
}

// Safetensors before all others: the same weights, without what pickles bring along.
FileFormat choose_format(const Bundle& bundle, std::optional<FileFormat> wanted) {
  const auto holds = [&](FileFormat format) {
    return std::ranges::any_of(bundle.listing, [&](const FolderEntry& entry) {
      return is_weights_name(entry.name, format) || is_index_name(entry.name, format);
    });
  };
  for (const FileFormat other : {FileFormat::PyTorch, FileFormat::Npz})
    if (wanted == other && holds(other)) return other;
  if (holds(FileFormat::Safetensors)) return FileFormat::Safetensors;
  return format_of_other_weights(bundle.listing).value_or(FileFormat::Safetensors);
}

bool is_index_of_pytorch_files(const ShardIndex& index) {
  return !index.files.empty() && std::ranges::all_of(index.files, [](std::string_view file) {
    return glob_match("*.{bin,pt,pth}", file);
  });
}

}  // namespace

Result<Bundle> find_bundle(const Folder& folder, std::string_view selected,
                           const OpenOptions& options) {
  const uint64_t max_index_bytes = options.max_header_bytes;  // an index is read whole
  Bundle bundle;
  bundle.subfolder = folder_prefix(selected);
  STKIT_ASSIGN(bundle.listing, folder.list(without_slash(bundle.subfolder)));

  std::optional<ShardIndex> index;
  std::string index_name;
  if (!selected.empty()) {
    STKIT_ASSIGN(const SelectedKind kind,
                 classify_selected(folder, selected, max_index_bytes, index));
    if (kind != SelectedKind::Index && kind != SelectedKind::Config) {
      if (kind == SelectedKind::TorchWeights) bundle.format = FileFormat::PyTorch;
      if (kind == SelectedKind::NumpyArrays) bundle.format = FileFormat::Npz;
      STKIT_TRY(take_single_file(folder, selected, bundle));
      return bundle;
    }
    if (kind == SelectedKind::Index) index_name = selected;
  }
  if (index)
    bundle.format =
        is_index_of_pytorch_files(*index) ? FileFormat::PyTorch : FileFormat::Safetensors;
  else
    bundle.format = choose_format(bundle, options.format);
  if (!index) {
    if (const FolderEntry* entry = choose_index(folder, bundle)) {
      index_name = entry->name;
      STKIT_ASSIGN(const std::unique_ptr<RandomAccessFile> file, folder.open(index_name));
      STKIT_ASSIGN(index, read_shard_index(*file, max_index_bytes));
    }
  }
  const bool had_index = index.has_value();
  if (index) STKIT_TRY(take_index(folder, index_name, std::move(*index), bundle));
  if (!bundle.index) STKIT_TRY(take_weights_without_index(folder, had_index, bundle));
  find_strays(folder, bundle);
  return bundle;
}

}  // namespace stkit
