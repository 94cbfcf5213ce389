// The files of a DeepSpeed ZeRO checkpoint.
//
//   latest                                             the tag: "global_step1000"
//   <tag>/mp_rank_00_model_states.pt                   stages 0 to 2
//   <tag>/zero_pp_rank_<r>_mp_rank_00_model_states.pt  stage 3, one a rank
//   <tag>/[bf16_]zero_pp_rank_<r>_mp_rank_00_optim_states.pt  one a rank, but for stage 0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "stkit/finding.h"
#include "stkit/io.h"

namespace stkit {

struct DeepSpeedFiles {
  std::string prefix;  // of the tag's folder: "global_step1000/"; "" when it is the folder itself
  std::map<uint32_t, FolderEntry> model_states;  // by rank; of stages 0 to 2 there is only 0
  std::map<uint32_t, FolderEntry> optim_states;
  std::vector<Finding> findings;  // what is there that cannot be merged
};

// Whether a folder is one of a checkpoint or of a tag, by the names in it.
bool is_deepspeed_folder(std::span<const FolderEntry> listing);

// The folders in this one that hold the states of a tag.
std::vector<std::string> deepspeed_tags(const Folder& folder, std::span<const FolderEntry> listing);

// `tag` chooses among several; empty: what `latest` says, or the only one there is.
Result<DeepSpeedFiles> find_deepspeed_files(const Folder& folder, std::string_view subfolder,
                                            std::span<const FolderEntry> listing,
                                            std::string_view tag);

}  // namespace stkit
