// Checkpoints that many processes saved, each its own part: which kind a folder is of.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/model_contents.h"

namespace stkit {

// Whether a folder's own files are such a checkpoint.
bool is_distributed_folder(std::span<const FolderEntry> listing);

// The folders in this one that are, but for those of an optimizer: "actor/".
std::vector<std::string> distributed_subfolders(const Folder& folder,
                                                std::span<const FolderEntry> listing);

// Nothing when `selected`, or the folder where nothing is selected, is no such checkpoint: then it
// is for the other formats. A file of one stands for all of it. Where the folder itself is none,
// the one folder in it that is one is taken: trainers put it beside config.json.
Result<std::optional<ModelContents>> scan_distributed(std::shared_ptr<const Folder> folder,
                                                      std::string_view selected,
                                                      const OpenOptions& options);

}  // namespace stkit
