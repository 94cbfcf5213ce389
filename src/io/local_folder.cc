#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <optional>
#include <utility>

#include "io/local_file.h"
#include "io/os_error.h"
#include "io/safe_name.h"
#include "io/system_calls.h"
#include "stkit/io.h"
#include "stkit/text.h"

namespace stkit {
namespace {

namespace fs = std::filesystem;

// Where an open file really is, all links followed.
std::optional<std::string> real_path(int file) {
  std::array<char, PATH_MAX> target;
  const std::string link = fmt::format("/proc/self/fd/{}", file);
  const ssize_t length = ::readlink(link.c_str(), target.data(), target.size());
  if (length <= 0 || static_cast<size_t>(length) >= target.size()) return std::nullopt;
  return std::string(target.data(), static_cast<size_t>(length));
}

// The same by name, where /proc is not mounted.
std::optional<std::string> real_path(const fs::path& path) {
  std::error_code error;
  const fs::path real = fs::canonical(path, error);
  if (error) return std::nullopt;
  return real.string();
}

// The Hub's cache keeps contents apart from names:
//
//   <repo>/blobs/<etag>
//   <repo>/snapshots/<revision>/<name> -> ../../blobs/<etag>
//
// The blob folders that `folder`, when it is a snapshot or lies in one, may link to.
std::vector<std::string> blob_folders(const std::string& folder) {
  constexpr std::string_view kSnapshots = "/snapshots/";
  std::vector<std::string> blobs;
  for (size_t at = folder.find(kSnapshots); at != std::string::npos;
       at = folder.find(kSnapshots, at + 1))
    if (auto real = real_path(fs::path(folder.substr(0, at)) / "blobs"))
      blobs.push_back(*std::move(real));
  return blobs;
}

class LocalFolder final : public Folder {
 public:
  LocalFolder(std::string label, Descriptor descriptor, std::string real)
      : label_(std::move(label)),
        descriptor_(std::move(descriptor)),
        real_(std::move(real)),
        blob_folders_(blob_folders(real_)) {}

  const std::string& label() const override { return label_; }

  // A name in the current folder is shown as it would be typed.
  std::string path_of(std::string_view name) const override {
    if (label_ == ".") return std::string(name);
    return label_.ends_with('/') ? fmt::format("{}{}", label_, name)
                                 : fmt::format("{}/{}", label_, name);
  }

  Result<std::unique_ptr<RandomAccessFile>> open(std::string_view name) const override {
    const std::string path = path_of(name);
    if (auto safe = check_relative_name(name); !safe) return fail(std::move(safe).error().at(path));
    STKIT_ASSIGN(Descriptor file,
                 open_regular_file(calls_, descriptor_.get(), std::string(name), path));
    STKIT_TRY(check_inside(file.get(), path));
    return local_file(calls_, std::move(file), path, Access::Auto);
  }

  Result<std::vector<FolderEntry>> list(std::string_view subfolder) const override {
    const std::string path = subfolder.empty() ? label_ : path_of(subfolder);
    if (!subfolder.empty())
      if (auto safe = check_relative_name(subfolder); !safe)
        return fail(std::move(safe).error().at(path));

    const std::string name = subfolder.empty() ? "." : std::string(subfolder);
    constexpr int kFlags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK;
    const Descriptor folder(calls_, uninterrupted([&] {
                              return calls_.open_at(descriptor_.get(), name.c_str(), kFlags, 0);
                            }));
    if (!folder.is_open()) return fail(read_error(errno, path, "cannot be listed"));
    if (!subfolder.empty()) STKIT_TRY(check_inside(folder.get(), path));

    std::vector<std::string> names;
    if (calls_.list(folder.get(), names) != 0)
      return fail(read_error(errno, path, "cannot be listed"));
    std::ranges::sort(names);
    std::vector<FolderEntry> entries;
    entries.reserve(names.size());
    for (const std::string& child : names) {
      std::string relative = subfolder.empty() ? child : fmt::format("{}/{}", subfolder, child);
      if (auto entry = look_at(folder.get(), child, std::move(relative)))
        entries.push_back(*std::move(entry));
    }
    return entries;
  }

 private:
  bool allows(std::string_view real) const {
    const auto below = [&](std::string_view folder) {
      if (folder.ends_with('/')) folder.remove_suffix(1);  // "/" itself
      return real == folder || (real.starts_with(folder) && real[folder.size()] == '/');
    };
    return below(real_) || std::ranges::any_of(blob_folders_, below);
  }

  // Asked of the open file and not of its name, which may mean another file a moment later.
  Result<void> check_inside(int file, const std::string& path) const {
    auto real = real_path(file);
    if (!real) real = real_path(fs::path(path));
    if (real && allows(*real)) return {};
    return fail(ErrorCode::Corrupt,
                fmt::format("leads outside the folder, to '{}'",
                            printable(real.value_or("an unknown place"), 200)),
                "replace the symbolic link by the file, or open the folder that it leads to", path);
  }

  // Nothing when it has vanished meanwhile.
  std::optional<FolderEntry> look_at(int folder, const std::string& child,
                                     std::string relative) const {
    FolderEntry entry;
    entry.name = std::move(relative);
    entry.kind = EntryKind::Other;
    struct stat info;
    if (calls_.stat_at(folder, child.c_str(), info, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno == ENOENT) return std::nullopt;
      entry.problem = cause_of(errno);
      return entry;
    }
    if (S_ISLNK(info.st_mode)) {
      entry.problem = follow(folder, child, entry.name, info);
      if (!entry.problem.empty()) return entry;
    }
    if (S_ISREG(info.st_mode)) {
      entry.kind = EntryKind::File;
      entry.size_bytes = static_cast<uint64_t>(info.st_size);
    } else if (S_ISDIR(info.st_mode)) {
      entry.kind = EntryKind::Folder;
    } else {
      entry.problem = fmt::format("is {}", kind_of(info.st_mode));
    }
    return entry;
  }

  // What is wrong with where a link leads, else its target in `info`.
  std::string follow(int folder, const std::string& child, const std::string& relative,
                     struct stat& info) const {
    if (calls_.stat_at(folder, child.c_str(), info, 0) != 0)
      return errno == ENOENT ? "is a symbolic link to a file that does not exist"
                             : fmt::format("is a symbolic link: {}", cause_of(errno));
    const auto real = real_path(fs::path(real_) / relative);
    if (real && allows(*real)) return {};
    return fmt::format("is a symbolic link that leads outside the folder, to '{}'",
                       printable(real.value_or("an unknown place"), 200));
  }

  SystemCalls& calls_ = SystemCalls::real();
  const std::string label_;
  const Descriptor descriptor_;
  const std::string real_;
  const std::vector<std::string> blob_folders_;
};

}  // namespace

Result<std::unique_ptr<Folder>> open_local_folder(const fs::path& path) {
  SystemCalls& calls = SystemCalls::real();
  const std::string label = path.empty() ? "." : path.string();
  if (label.find('\0') != std::string::npos)
    return fail(ErrorCode::NotFound, "the name holds a NUL character", {}, label);
  struct stat info;
  if (calls.stat_at(AT_FDCWD, label.c_str(), info, 0) != 0)
    return fail(read_error(errno, label, "cannot be opened"));
  if (!S_ISDIR(info.st_mode))
    return fail(ErrorCode::Unsupported, fmt::format("is {}, not a folder", kind_of(info.st_mode)),
                {}, label);

  constexpr int kFlags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
  Descriptor folder(
      calls, uninterrupted([&] { return calls.open_at(AT_FDCWD, label.c_str(), kFlags, 0); }));
  if (!folder.is_open()) return fail(read_error(errno, label, "cannot be opened"));
  auto real = real_path(folder.get());
  if (!real) real = real_path(path);
  if (!real) return fail(ErrorCode::ReadFailed, "its real path cannot be found", {}, label);
  return std::make_unique<LocalFolder>(label, std::move(folder), *std::move(real));
}

}  // namespace stkit
