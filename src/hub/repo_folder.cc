#include "hub/repo_folder.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <utility>

#include "hub/remote_file.h"
#include "io/safe_name.h"
#include "stkit/text.h"

namespace stkit {
namespace {

// Each shard costs the Hub a request, and then waits for the CDN: this many hide both, and stay far
// from the limit of an anonymous address (3000 in five minutes).
constexpr unsigned kReaders = 16;

// The connection stays as long as a file of it is open.
class HeldFile final : public RandomAccessFile {
 public:
  // `identity` is known before anything was read of the file.
  HeldFile(std::shared_ptr<HubConnection> connection, std::unique_ptr<RandomAccessFile> file,
           std::string identity)
      : connection_(std::move(connection)),
        file_(std::move(file)),
        identity_(std::move(identity)) {}

  const std::string& label() const override { return file_->label(); }
  uint64_t size_bytes() const override { return file_->size_bytes(); }
  std::string identity() const override { return identity_; }
  Result<void> read_at(uint64_t offset_bytes, std::span<std::byte> out) const override {
    return file_->read_at(offset_bytes, out);
  }

 private:
  const std::shared_ptr<HubConnection> connection_;
  const std::unique_ptr<RandomAccessFile> file_;
  const std::string identity_;
};

// How much of a shard is read at first. An index names every tensor as the headers do, and tells of
// its shard what they tell of dtype, shape and offsets: with half as much again, most headers cost
// one request, and little is fetched that is no header.
uint64_t header_window(const RepoTree& tree) {
  constexpr uint64_t kSmallest = 16 * 1024;
  uint64_t shards = 0, index_bytes = 0;
  for (const RepoFile& file : tree.files) {
    if (file.path.ends_with(".safetensors")) ++shards;
    if (file.path.ends_with(".safetensors.index.json"))
      index_bytes = std::max(index_bytes, file.size_bytes);
  }
  if (index_bytes == 0 || shards == 0) return kHeaderWindowBytes;
  return std::clamp(index_bytes / shards / 2 * 3, kSmallest, 2 * kHeaderWindowBytes);
}

class RepoFolder final : public Folder {
 public:
  RepoFolder(std::shared_ptr<HubConnection> connection, RepoTree tree,
             std::filesystem::path snapshot)
      : connection_(std::move(connection)),
        tree_(std::move(tree)),
        snapshot_(std::move(snapshot)),
        header_window_(header_window(tree_)),
        label_(tree_.revision == "main" ? tree_.repo
                                        : fmt::format("{}@{}", tree_.repo, tree_.revision)) {}

  const std::string& label() const override { return label_; }
  std::string path_of(std::string_view name) const override {
    return fmt::format("{}/{}", label_, name);
  }
  unsigned useful_readers() const override { return kReaders; }

  Result<std::vector<FolderEntry>> list(std::string_view subfolder) const override {
    const std::string prefix = subfolder.empty() ? "" : fmt::format("{}/", subfolder);
    std::vector<FolderEntry> entries;
    for (const RepoFile& file : tree_.files) {
      if (!file.path.starts_with(prefix)) continue;
      const size_t slash = file.path.find('/', prefix.size());
      FolderEntry entry{.name = file.path.substr(0, slash)};
      if (slash != std::string::npos)
        entry.kind = EntryKind::Folder;
      else
        entry.size_bytes = file.size_bytes;
      if (const auto safe = check_relative_name(entry.name); !safe) {
        entry.kind = EntryKind::Other;
        entry.problem = safe.error().message;
      }
      entries.push_back(std::move(entry));
    }
    std::ranges::sort(entries, {}, &FolderEntry::name);
    const auto repeated = std::ranges::unique(entries, {}, &FolderEntry::name);
    entries.erase(repeated.begin(), repeated.end());
    if (entries.empty() && !subfolder.empty())
      return fail(ErrorCode::NotFound, "no such folder", {}, path_of(subfolder));
    return entries;
  }

  Result<std::unique_ptr<RandomAccessFile>> open(std::string_view name) const override {
    const std::string path = path_of(name);
    if (auto safe = check_relative_name(name); !safe) return fail(std::move(safe).error().at(path));
    const auto file = std::ranges::lower_bound(tree_.files, name, {}, &RepoFile::path);
    if (file == tree_.files.end() || file->path != name)
      return fail(ErrorCode::NotFound, "the repository has no such file", {}, path);
    if (auto cached = open_cached(*file)) return cached;
    STKIT_ASSIGN(auto remote, open_remote_file(connection_->fetcher, source_of(*file), path,
                                               connection_->cancel, header_window_));
    return std::make_unique<HeldFile>(connection_, std::move(remote),
                                      fmt::format("{}:{}", file->etag(), file->size_bytes));
  }

 private:
  std::unique_ptr<RandomAccessFile> open_cached(const RepoFile& file) const {
    if (snapshot_.empty()) return nullptr;
    auto opened = open_local_file(snapshot_ / file.path);
    return opened && (*opened)->size_bytes() == file.size_bytes ? *std::move(opened) : nullptr;
  }

  // Kept while the folder is: where the Hub led to is worth a request each time a shard is
  // reopened.
  std::shared_ptr<RangeSource> source_of(const RepoFile& file) const {
    const std::lock_guard lock(mutex_);
    std::shared_ptr<RangeSource>& source = sources_[file.path];
    if (source == nullptr)
      source = std::make_shared<RangeSource>(
          connection_->fetcher, connection_->api.file_url(tree_.repo, tree_.commit, file.path),
          ExpectedFile{file.size_bytes, file.sha256, tree_.commit});
    return source;
  }

  const std::shared_ptr<HubConnection> connection_;
  const RepoTree tree_;
  const std::filesystem::path snapshot_;
  const uint64_t header_window_;
  const std::string label_;
  mutable std::mutex mutex_;
  mutable std::map<std::string, std::shared_ptr<RangeSource>> sources_;
};

class UrlFolder final : public Folder {
 public:
  UrlFolder(std::shared_ptr<HubConnection> connection, const Url& url, std::string name)
      : connection_(std::move(connection)),
        name_(std::move(name)),
        label_(url.label().substr(0, url.label().rfind('/'))),
        source_(std::make_shared<RangeSource>(connection_->fetcher, url, ExpectedFile{})) {}

  const std::string& label() const override { return label_; }
  std::string path_of(std::string_view name) const override {
    return fmt::format("{}/{}", label_, name);
  }
  unsigned useful_readers() const override { return kReaders; }

  Result<std::vector<FolderEntry>> list(std::string_view subfolder) const override {
    if (!subfolder.empty())
      return fail(ErrorCode::NotFound, "an address has no folders", {}, path_of(subfolder));
    STKIT_ASSIGN(const auto file, open(name_));
    return std::vector<FolderEntry>{{.name = name_, .size_bytes = file->size_bytes()}};
  }

  Result<std::unique_ptr<RandomAccessFile>> open(std::string_view name) const override {
    if (name != name_)
      return fail(ErrorCode::NotFound, "only the file that the address names is read", {},
                  path_of(name));
    STKIT_ASSIGN(auto file, open_remote_file(connection_->fetcher, source_, path_of(name),
                                             connection_->cancel));
    std::string identity = file->identity();
    return std::make_unique<HeldFile>(connection_, std::move(file), std::move(identity));
  }

 private:
  const std::shared_ptr<HubConnection> connection_;
  const std::string name_;
  const std::string label_;
  const std::shared_ptr<RangeSource> source_;
};

}  // namespace

std::shared_ptr<const Folder> open_repo_folder(std::shared_ptr<HubConnection> connection,
                                               RepoTree tree, std::filesystem::path snapshot) {
  return std::make_shared<RepoFolder>(std::move(connection), std::move(tree), std::move(snapshot));
}

std::shared_ptr<const Folder> open_url_folder(std::shared_ptr<HubConnection> connection,
                                              const Url& url, std::string name) {
  return std::make_shared<UrlFolder>(std::move(connection), url, std::move(name));
}

}  // namespace stkit
