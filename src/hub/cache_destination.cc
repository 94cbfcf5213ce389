#include <fmt/format.h>
#include <unistd.h>

#include <set>
#include <system_error>
#include <utility>

#include "hub/cache.h"
#include "hub/content_digest.h"
#include "hub/destination.h"
#include "hub/partial_file.h"
#include "hub/reference.h"
#include "io/os_error.h"
#include "stkit/io.h"
#include "stkit/json.h"
#include "stkit/writer.h"

namespace fs = std::filesystem;

namespace stkit {
namespace {

constexpr std::string_view kCacheTag =
    "Signature: 8a477f597d28d172789f06886806bc55\n"
    "# This folder holds downloads that can be made again.\n";

bool is_file_of_size(const fs::path& path, uint64_t size_bytes) {
  std::error_code error;
  return fs::is_regular_file(path, error) && fs::file_size(path, error) == size_bytes && !error;
}

class CacheDestination final : public Destination {
 public:
  CacheDestination(const fs::path& root, const RepoTree& tree, DestinationOptions options)
      : root_(root),
        tree_(tree),
        options_(options),
        folder_(repo_cache_folder(root, tree.repo)),
        snapshot_(snapshot_folder(root, tree.repo, tree.commit)) {}

  const fs::path& folder() const override { return folder_; }

  Result<bool> has(const RepoFile& file, const CancelToken*) override {
    if (!is_content_digest(file.etag()))
      return fail(ErrorCode::Unsupported,
                  "the server does not say what the content hashes to, which the cache needs",
                  "download into a folder with --to", file.path);
    if (options_.force) return false;
    // Where there are no links, the file itself is in the snapshot.
    return is_file_of_size(blob(file), file.size_bytes) ||
           is_file_of_size(snapshot_ / file.path, file.size_bytes);
  }

  Result<void> prepare(const RepoFile&) override {
    STKIT_TRY(make_folders(folder_ / "blobs"));
    std::error_code error;
    const fs::path tag = root_ / "CACHEDIR.TAG";
    return fs::exists(tag, error) ? Result<void>() : write_if_changed(tag, kCacheTag);
  }

  Paths where(const RepoFile& file) const override {
    // The Hub's own tools know `*.incomplete` in this folder as something that may be removed.
    return {folder_ / "blobs" / (file.etag() + ".stkit"), blob(file)};
  }

  Result<void> note_done(const RepoFile&) override { return {}; }

  // In this order, so that a snapshot never names what is not there, and a revision no snapshot
  // that is not whole.
  Result<fs::path> finish(std::span<const RepoFile> files) override {
    std::set<fs::path> changed;
    for (const RepoFile& file : files) STKIT_TRY(link(file, changed));
    for (const fs::path& folder : changed) sync_folder(SystemCalls::real(), folder);
    const fs::path listing = folder_ / "trees" / (tree_.commit + ".json");
    STKIT_TRY(make_folders(listing.parent_path()));
    STKIT_TRY(write_if_changed(listing, tree_json()));
    if (!is_commit_id(tree_.revision)) {
      const fs::path ref = folder_ / "refs" / tree_.revision;
      STKIT_TRY(make_folders(ref.parent_path()));
      STKIT_TRY(write_if_changed(ref, tree_.commit));
    }
    return snapshot_;
  }

 private:
  fs::path blob(const RepoFile& file) const { return folder_ / "blobs" / file.etag(); }

  Result<void> link(const RepoFile& file, std::set<fs::path>& changed) {
    const fs::path name = snapshot_ / file.path;
    STKIT_TRY(make_folders(name.parent_path()));
    std::string target = "../../";
    for (const char c : file.path)
      if (c == '/') target += "../";
    target += "blobs/" + file.etag();
    std::error_code error;
    if (fs::read_symlink(name, error) == target && !error) return {};
    if (!is_file_of_size(blob(file), file.size_bytes)) return {};  // it is in the snapshot itself

    // By a rename, so that whoever reads the snapshot sees the old link or the new one.
    const fs::path fresh = name.parent_path() / fmt::format(".{}.stkit", file.etag().substr(0, 40));
    fs::remove(fresh, error);
    fs::create_symlink(target, fresh, error);
    if (error) {
      error.clear();
      fs::create_hard_link(blob(file), fresh, error);
    }
    if (error) {
      error.clear();
      fs::copy_file(blob(file), fresh, error);
    }
    if (!error) fs::rename(fresh, name, error);
    changed.insert(name.parent_path());
    if (error)
      return fail(write_error(error.value(), name.string(), "cannot be linked into the snapshot"));
    return {};
  }

  // What the Hub's own tools keep, to tell offline whether a snapshot is whole.
  std::string tree_json() const {
    std::string text;
    JsonWriter json(text);
    json.begin_object().field("format_version", 1).key("files").begin_object();
    for (const RepoFile& file : tree_.files) {
      json.key(file.path).begin_object().field("size", file.size_bytes);
      json.field("blob_id", file.git_oid);
      if (!file.sha256.empty())
        json.field("lfs_sha256", file.sha256).field("lfs_size", file.size_bytes);
      if (!file.xet_hash.empty()) json.field("xet_hash", file.xet_hash);
      json.end_object();
    }
    json.end_object().end_object();
    return text;
  }

  const fs::path root_;
  const RepoTree& tree_;
  const DestinationOptions options_;
  const fs::path folder_;
  const fs::path snapshot_;
};

}  // namespace

std::unique_ptr<Destination> cache_destination(const fs::path& root, const RepoTree& tree,
                                               DestinationOptions options) {
  return std::make_unique<CacheDestination>(root, tree, options);
}

Result<void> make_folders(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (!error || fs::is_directory(folder)) return {};
  return fail(write_error(error.value(), folder.string(), "the folder cannot be made"));
}

Result<void> write_if_changed(const fs::path& path, std::string_view text) {
  if (const auto file = open_local_file(path, Access::Read);
      file && (*file)->size_bytes() == text.size()) {
    std::string there(text.size(), '\0');
    if ((*file)->read_at(0, std::as_writable_bytes(std::span(there))) && there == text) return {};
  }
  STKIT_ASSIGN(const auto output, create_output(path, text.size(), {.overwrite = true}));
  STKIT_TRY(output->write_at(0, std::as_bytes(std::span(text))));
  return output->commit();
}

}  // namespace stkit
