// The cache that the Hub's own tools share:
//
//   <root>/models--org--name/
//     blobs/<etag>                content, by its SHA-256 or git SHA-1
//     refs/<revision>             40 hex digits of the commit, no line feed
//     snapshots/<commit>/<path>   relative symbolic link into blobs
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "stkit/error.h"

namespace stkit {

// REQUIRES: is_repo_id(repo).
std::filesystem::path repo_cache_folder(const std::filesystem::path& root, std::string_view repo);
std::filesystem::path snapshot_folder(const std::filesystem::path& root, std::string_view repo,
                                      std::string_view commit);

// What the cache knows of a revision: the commit that it meant when it was last asked for.
Result<std::string> cached_commit(const std::filesystem::path& root, std::string_view repo,
                                  std::string_view revision);

// Its snapshot, which need not hold every file of the repository.
Result<std::filesystem::path> cached_snapshot(const std::filesystem::path& root,
                                              std::string_view repo, std::string_view revision);

}  // namespace stkit
