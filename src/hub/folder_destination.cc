#include <fmt/format.h>
#include <sys/stat.h>

#include <chrono>
#include <cstdlib>
#include <system_error>
#include <utility>

#include "base/digest.h"
#include "hub/content_digest.h"
#include "hub/destination.h"
#include "stkit/io.h"

namespace fs = std::filesystem;

namespace stkit {
namespace {

//   <folder>/<path>                                           the file
//   <folder>/.cache/huggingface/download/<path>.metadata      commit, ETag and time, a line each:
//                                                             what `hf` knows its downloads by
//   <folder>/.cache/stkit/<hash of the path and ETag>.*       partial files
class FolderDestination final : public Destination {
 public:
  FolderDestination(fs::path folder, const RepoTree& tree, DestinationOptions options)
      : folder_(std::move(folder)), tree_(tree), options_(options) {}

  const fs::path& folder() const override { return folder_; }

  Result<bool> has(const RepoFile& file, const CancelToken* cancel) override {
    const fs::path path = folder_ / file.path;
    std::error_code error;
    if (options_.force || !fs::exists(fs::symlink_status(path, error))) return false;
    const std::string known = downloaded_etag(file);
    if (!known.empty() && known == file.etag() && fs::file_size(path, error) == file.size_bytes)
      return true;
    // Whoever put it there: the same content need not be fetched.
    if (is_content_digest(file.etag()) && fs::file_size(path, error) == file.size_bytes && !error) {
      STKIT_ASSIGN(const std::string digest, content_digest(path.string(), file.etag(), cancel));
      if (digest == file.etag()) return true;
    }
    if (!known.empty()) return false;  // an older download
    return fail(ErrorCode::OutputExists,
                "exists already, with another content than the repository's",
                "replace it with --force, or choose another folder", path.string());
  }

  Result<void> prepare(const RepoFile& file) override {
    STKIT_TRY(make_folders((folder_ / file.path).parent_path()));
    STKIT_TRY(make_folders(folder_ / ".cache" / "stkit"));
    return make_folders(metadata(file).parent_path());
  }

  Paths where(const RepoFile& file) const override {
    Digest name(DigestKind::Sha1);
    name.update(file.path);
    name.update(std::string_view("\n", 1));
    name.update(file.etag());
    return {folder_ / ".cache" / "stkit" / name.hex(), folder_ / file.path};
  }

  Result<void> note_done(const RepoFile& file) override {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
    return write_if_changed(metadata(file), fmt::format("{}\n{}\n{}.{:03}\n", tree_.commit,
                                                        file.etag(), ms / 1000, ms % 1000));
  }

  Result<fs::path> finish(std::span<const RepoFile> files) override {
    for (const RepoFile& file : files) {
      if (downloaded_commit(file) == tree_.commit) continue;
      STKIT_TRY(prepare(file));
      STKIT_TRY(note_done(file));  // it was there; `hf` shall know, too
    }
    std::error_code error;
    if (fs::exists(folder_ / ".cache" / "huggingface", error))
      STKIT_TRY(write_if_changed(folder_ / ".cache" / "huggingface" / ".gitignore", "*"));
    fs::remove(folder_ / ".cache" / "stkit", error);  // only when it is empty
    return folder_;
  }

 private:
  fs::path metadata(const RepoFile& file) const {
    return folder_ / ".cache" / "huggingface" / "download" / (file.path + ".metadata");
  }

  // The lines of its metadata; none when the file was changed since.
  std::vector<std::string> metadata_lines(const RepoFile& file) const {
    const auto opened = open_local_file(metadata(file), Access::Read);
    if (!opened || (*opened)->size_bytes() > 4096) return {};
    std::string text((*opened)->size_bytes(), '\0');
    if (!(*opened)->read_at(0, std::as_writable_bytes(std::span(text)))) return {};
    std::vector<std::string> lines;
    for (size_t start = 0; start < text.size();) {
      const size_t end = std::min(text.find('\n', start), text.size());
      lines.push_back(text.substr(start, end - start));
      start = end + 1;
    }
    struct stat info;
    if (lines.size() < 3 || ::stat((folder_ / file.path).c_str(), &info) != 0) return {};
    // Whole seconds are enough: a second of grace is given anyway.
    const auto noted = std::atoll(lines[2].c_str());
    return info.st_mtim.tv_sec - 1 <= noted ? lines : std::vector<std::string>();
  }
  std::string downloaded_commit(const RepoFile& file) const {
    const auto lines = metadata_lines(file);
    return lines.empty() ? "" : lines[0];
  }
  std::string downloaded_etag(const RepoFile& file) const {
    const auto lines = metadata_lines(file);
    return lines.empty() ? "" : lines[1];
  }

  const fs::path folder_;
  const RepoTree& tree_;
  const DestinationOptions options_;
};

}  // namespace

std::unique_ptr<Destination> folder_destination(fs::path folder, const RepoTree& tree,
                                                DestinationOptions options) {
  return std::make_unique<FolderDestination>(std::move(folder), tree, options);
}

}  // namespace stkit
