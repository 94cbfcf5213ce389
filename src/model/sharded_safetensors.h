// A torch.distributed checkpoint in safetensors, as HuggingFaceStorageWriter saves it from many
// processes:
//
//   shard-<rank>-model-<i>-of-<n>.safetensors
//
// A tensor is in several of them, with different shapes: parts. Where each belongs is told by the
// file's metadata: DCP_SHARDING_INFO is JSON text, {name: {"saved_offsets": [0, 512]}}.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "model/model_contents.h"

namespace stkit {

// Whether a listing holds files of that kind.
bool has_sharded_safetensors(std::span<const FolderEntry> listing);

// Reads the headers, never a weight. `prefix` is the folder where they lie: "" or with a slash. See
// Model::scan.
Result<ModelContents> scan_sharded_safetensors(std::shared_ptr<const Folder> folder,
                                               const std::string& prefix,
                                               const OpenOptions& options);

}  // namespace stkit
