#include "ops/merge/published_files.h"

#include <algorithm>
#include <ranges>

#include "io/os_error.h"

namespace stkit {

namespace fs = std::filesystem;

PublishedFiles::~PublishedFiles() {
  for (const File& file : files_) {
    struct stat info;  // it may have no name yet, or somebody else's file may have it
    if (calls_.stat_at(AT_FDCWD, file.path.c_str(), info, AT_SYMLINK_NOFOLLOW) == 0 &&
        info.st_dev == file.device && info.st_ino == file.inode)
      calls_.unlink(AT_FDCWD, file.path.c_str());
  }
  std::error_code ignored;  // not empty: somebody else uses it by now
  for (const fs::path& folder : std::views::reverse(folders_)) fs::remove(folder, ignored);
}

Result<void> PublishedFiles::make_folder(const fs::path& folder) {
  std::vector<fs::path> missing;
  std::error_code error;
  for (fs::path path = folder; !path.empty() && !fs::exists(path, error) && !error;
       path = path.parent_path())
    missing.push_back(path);
  for (const fs::path& path : std::views::reverse(missing)) {
    if (fs::create_directory(path, error)) folders_.push_back(path);
    if (error) return fail(write_error(error.value(), path.string(), "the folder cannot be made"));
  }
  return {};
}

Result<void> PublishedFiles::add_new_file(const fs::path& path, const AtomicOutput& output) {
  struct stat info;
  if (calls_.stat(output.descriptor(), info) != 0)
    return fail(write_error(errno, path.string(), "cannot be looked at"));
  files_.push_back({path, info.st_dev, info.st_ino});
  return {};
}

void PublishedFiles::keep() {
  files_.clear();
  folders_.clear();
}

}  // namespace stkit
