// Which files of a folder are the model.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/shard_index.h"
#include "stkit/finding.h"
#include "stkit/io.h"
#include "stkit/model.h"

namespace stkit {

struct Bundle {
  FileFormat format = FileFormat::Safetensors;
  std::string subfolder;             // of the folder; "" or "unet/"
  std::vector<FolderEntry> listing;  // of the subfolder, sorted by name

  std::vector<FolderEntry> weights;  // regular files, sorted by name

  std::string index_name;           // "" when there is none that could be read
  std::optional<ShardIndex> index;  // the rule for which tensor is taken from which file
  std::vector<uint32_t> weights_of_index_file;  // by index->files; kAbsent when not in `weights`
  static constexpr uint32_t kAbsent = UINT32_MAX;

  bool is_selected_file = false;  // one weight file was asked for by name
  // Its companions belong to the model: not so for a file that lies among unrelated ones.
  bool has_companions = true;
  // Neither an index nor a -of-N set holds the files together: they are one model only if no
  // tensor is in two of them.
  bool unrelated_files = false;

  std::vector<Finding> findings;
};

// `selected` is a weight file, an index or a config.json of the folder, or empty for all of it.
// What a selected file is, is found out by its content. Unsupported when there are weights, but
// in another format.
Result<Bundle> find_bundle(const Folder& folder, std::string_view selected,
                           const OpenOptions& options);

}  // namespace stkit
