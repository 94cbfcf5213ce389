// A model of which every process saved its own part, as verl does: torch.save of a dict of
// DTensors.
//
//   model_world_size_<N>_rank_<R>.pt   one a process
//   huggingface/                       config.json, tokenizer
#pragma once

#include <memory>
#include <span>
#include <string>

#include "model/model_contents.h"

namespace stkit {

// Whether a listing holds files of that kind.
bool has_rank_files(std::span<const FolderEntry> listing);

// Reads the pickle of every process, never a weight. `prefix` is the folder where they lie: "" or
// with a slash. See Model::scan.
Result<ModelContents> scan_rank_files(std::shared_ptr<const Folder> folder,
                                      const std::string& prefix, const OpenOptions& options);

}  // namespace stkit
