#include "model/strays.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <unordered_set>

#include "formats/finding_log.h"
#include "model/listing.h"
#include "model/other_formats.h"
#include "model/weight_choice.h"
#include "stkit/text.h"

namespace stkit {
namespace {

// No repository has more. Links among the folders could make them endless.
constexpr unsigned kMaxDownloadFolders = 256;
constexpr std::string_view kDownloadFolder = ".cache/huggingface/download";
constexpr std::string_view kUnfinishedNames = "*.{incomplete,part,aria2,crdownload}";

Finding stray_weights(const Folder& folder, const Bundle& bundle, const FolderEntry& entry) {
  const std::string_view base = base_name(entry.name);
  const std::string name = quoted_name(base);
  const std::string path = folder.path_of(entry.name);
  const bool single = base == "model.safetensors" || base == "diffusion_pytorch_model.safetensors";
  if (bundle.index && single) {
    Finding finding{.check = Check::StrayWeights,
                    .path = path,
                    .message = fmt::format("{} lies beside the shards of {}; stkit takes the "
                                           "shards, as the index says",
                                           name, quoted_name(base_name(bundle.index_name)))};
    if (bundle.weights.empty())
      finding.hint = "if the shards were merged on purpose, remove the index";
    return finding;
  }
  return {.check = Check::UnlistedShard,
          .path = path,
          .message = bundle.index ? name + " is not in the index and not part of the model"
                                  : name + " is not part of the model"};
}

void find_weights(const Folder& folder, Bundle& bundle) {
  std::unordered_set<std::string_view> listed;  // some may be no files: they have their findings
  if (bundle.index) listed.insert(bundle.index->files.begin(), bundle.index->files.end());
  for (const FolderEntry& entry : bundle.listing) {
    const std::string_view name = std::string_view(entry.name).substr(bundle.subfolder.size());
    if (!is_weights_name(entry.name, bundle.format) ||
        find_entry(bundle.weights, entry.name) != nullptr || listed.contains(name))
      continue;
    if (entry.kind == EntryKind::File)
      bundle.findings.push_back(stray_weights(folder, bundle, entry));
    else
      bundle.findings.push_back(not_a_file(folder, entry));
  }
}

// The same weights once more for other frameworks: usual on the Hub, so only a note for each kind.
void find_other_formats(const Folder& folder, Bundle& bundle) {
  std::map<const OtherFormat*, std::vector<std::string>> found;
  for (const FolderEntry& entry : bundle.listing)
    if (const OtherFormat* row = recognise_other_format(entry);
        row && entry.name != "latest" && !is_weights_name(entry.name, bundle.format))
      found[row].emplace_back(base_name(entry.name));
  for (const auto& [row, names] : found)
    bundle.findings.push_back(
        {.check = Check::UnlistedShard,
         .path = folder.path_of(bundle.subfolder + names.front()),
         .message = fmt::format("the folder also holds {}: {}; stkit takes "
                                "the {} files",
                                row->what, list_names(names), name(bundle.format)),
         .severity_override = Severity::Note});
}

void find_case_collisions(const Folder& folder, Bundle& bundle) {
  std::map<std::string, std::vector<std::string>> by_lower_case;
  for (const FolderEntry& entry : bundle.listing)
    by_lower_case[lower_case(entry.name)].push_back(entry.name);
  for (const FolderEntry& entry : bundle.weights)  // shards in subfolders of the listing
    if (folder_prefix(entry.name) != bundle.subfolder)
      by_lower_case[lower_case(entry.name)].push_back(entry.name);
  for (const auto& [lower, names] : by_lower_case)
    if (names.size() > 1)
      bundle.findings.push_back(
          {.check = Check::CaseCollision,
           .path = folder.path_of(names.front()),
           .message = fmt::format("{} differ in case only", list_names(names))});
}

void report_unfinished(const Folder& folder, const FolderEntry& entry, Bundle& bundle) {
  bundle.findings.push_back({.check = Check::PartialDownload,
                             .path = folder.path_of(entry.name),
                             .message = fmt::format("{} is an unfinished download of {}",
                                                    quoted_name(base_name(entry.name)),
                                                    counted(entry.size_bytes, "byte"))});
}

// What `hf download --local-dir` leaves: <file>.metadata for each file that was whole once, and
// <hash>.incomplete for those that never were.
void find_downloads(const Folder& folder, std::string_view subfolder, unsigned& folders,
                    Bundle& bundle) {
  if (++folders > kMaxDownloadFolders) return;
  const auto listing = folder.list(subfolder);
  if (!listing) return;  // no such folder, mostly
  constexpr std::string_view kMetadata = ".metadata";
  for (const FolderEntry& entry : *listing) {
    if (entry.kind == EntryKind::Folder) {
      find_downloads(folder, entry.name, folders, bundle);
    } else if (glob_match(kUnfinishedNames, entry.name)) {
      report_unfinished(folder, entry, bundle);
    } else if (entry.name.ends_with(kMetadata)) {
      const std::string_view below =
          std::string_view(entry.name).substr(kDownloadFolder.size() + 1);
      const std::string_view file = below.substr(0, below.size() - kMetadata.size());
      // Files in subfolders would need a listing each; weights at the top are what matters.
      if (is_weights_name(file, bundle.format) && file.find('/') == std::string_view::npos &&
          find_entry(bundle.listing, file) == nullptr)
        bundle.findings.push_back(
            {.check = Check::PartialDownload,
             .path = folder.path_of(file),
             .message = quoted_name(file) + " was downloaded once, but is gone"});
    }
  }
}

}  // namespace

void find_strays(const Folder& folder, Bundle& bundle) {
  find_weights(folder, bundle);
  find_other_formats(folder, bundle);
  find_case_collisions(folder, bundle);
  for (const FolderEntry& entry : bundle.listing)
    if (entry.kind == EntryKind::File && glob_match(kUnfinishedNames, entry.name))
      report_unfinished(folder, entry, bundle);
  unsigned folders = 0;
  if (bundle.subfolder.empty()) find_downloads(folder, kDownloadFolder, folders, bundle);
}

}  // namespace stkit
