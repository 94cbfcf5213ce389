#include "hub/cache.h"

#include <fmt/format.h>

#include <system_error>

#include "hub/reference.h"
#include "io/safe_name.h"
#include "stkit/io.h"
#include "stkit/text.h"

namespace fs = std::filesystem;

namespace stkit {
namespace {

std::unexpected<Error> not_cached(std::string_view repo, std::string_view revision) {
  return fail(
      ErrorCode::NotFound, fmt::format("the cache holds no revision '{}'", printable(revision, 80)),
      fmt::format("fetch it while there is a network: stkit download {}", repo), std::string(repo));
}

}  // namespace

fs::path repo_cache_folder(const fs::path& root, std::string_view repo) {
  std::string name = "models--";
  for (const char c : repo) name += c == '/' ? "--" : std::string(1, c);
  return root / name;
}

fs::path snapshot_folder(const fs::path& root, std::string_view repo, std::string_view commit) {
  return repo_cache_folder(root, repo) / "snapshots" / commit;
}

Result<std::string> cached_commit(const fs::path& root, std::string_view repo,
                                  std::string_view revision) {
  if (root.empty() || !is_repo_id(repo)) return not_cached(repo, revision);
  if (is_commit_id(revision)) return std::string(revision);
  if (!check_relative_name(revision)) return not_cached(repo, revision);
  const auto file =
      open_local_file(repo_cache_folder(root, repo) / "refs" / revision, Access::Read);
  // Some tools write a line feed behind it.
  if (!file || (*file)->size_bytes() < 40 || (*file)->size_bytes() > 64)
    return not_cached(repo, revision);
  std::string commit(40, '\0');
  STKIT_TRY((*file)->read_at(0, std::as_writable_bytes(std::span(commit))));
  if (!is_commit_id(commit)) return not_cached(repo, revision);
  return commit;
}

Result<fs::path> cached_snapshot(const fs::path& root, std::string_view repo,
                                 std::string_view revision) {
  STKIT_ASSIGN(const std::string commit, cached_commit(root, repo, revision));
  fs::path folder = snapshot_folder(root, repo, commit);
  std::error_code error;
  if (!fs::is_directory(folder, error)) return not_cached(repo, revision);
  return folder;
}

}  // namespace stkit
