// download --single-file: the shards of a model become one model.safetensors while they arrive.
//
//   <folder>/<companions>                     as every download into a folder has them
//   <folder>/model.safetensors                when it is whole
//   <folder>/.cache/stkit/<id>.output         until then: its whole size, holes where nothing came
//   <folder>/.cache/stkit/<id>-<n>.*          the n-th shard: its header, and the journal of it
//   <folder>/.cache/stkit/single-file.json    what model.safetensors was made of
//
// The headers are read first, and the plan of `merge` says where each tensor goes: bytes are
// written there and nowhere else, so no second copy of the weights is ever on the disk. Each shard
// is hashed in its own order as it arrives, its tensors read back from their places in the output;
// `id` names the plan, so a journal never speaks of another one.
#pragma once

#include <memory>
#include <vector>

#include "hub/destination.h"
#include "hub/repo_folder.h"

namespace stkit {

struct SingleFile {
  std::unique_ptr<Destination> destination;
  std::vector<RepoFile> files;  // that it needs: shards and companions
};

// Asks for the headers of the weights among `taken`. Unsupported when those are no safetensors.
// `tree` must outlive it.
Result<SingleFile> plan_single_file(const std::filesystem::path& folder,
                                    std::shared_ptr<HubConnection> hub, const RepoTree& tree,
                                    const std::vector<RepoFile>& taken, DestinationOptions options);

}  // namespace stkit
