// Names and entries of a folder's listing.
#pragma once

#include <algorithm>
#include <span>
#include <string>
#include <string_view>

#include "stkit/finding.h"
#include "stkit/io.h"
#include "stkit/model.h"

namespace stkit {

inline std::string_view base_name(std::string_view name) {
  return name.substr(name.rfind('/') + 1);
}

// "unet/" of "unet/model.safetensors"; empty at the top.
inline std::string_view folder_prefix(std::string_view name) {
  return name.substr(0, name.rfind('/') + 1);
}

// The folder itself: "unet" of "unet/".
inline std::string_view without_slash(std::string_view folder_prefix) {
  return folder_prefix.substr(0, folder_prefix.size() - !folder_prefix.empty());
}

// REQUIRES: `entries` is sorted by name.
inline const FolderEntry* find_entry(std::span<const FolderEntry> entries, std::string_view name) {
  const auto found = std::ranges::lower_bound(entries, name, {}, &FolderEntry::name);
  return found != entries.end() && found->name == name ? &*found : nullptr;
}

// For an entry that is no regular file where one belongs.
Finding not_a_file(const Folder& folder, const FolderEntry& entry);

inline constexpr std::string_view kWeightsSuffix = ".safetensors";
inline constexpr std::string_view kIndexSuffix = ".safetensors.index.json";

// Hidden files are none: macOS leaves `._model.safetensors` on foreign file systems. The state of
// optimizers and the like is none either, although it is named like PyTorch's weights.
bool is_weights_name(std::string_view name, FileFormat format = FileFormat::Safetensors);
bool is_index_name(std::string_view name, FileFormat format = FileFormat::Safetensors);

}  // namespace stkit
