#include "io/file_pool.h"

#include <sys/resource.h>

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace stkit {
namespace {

size_t default_max_open() {
  constexpr rlim_t kEnough = 64;
  rlimit limit;
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return kEnough;
  return static_cast<size_t>(std::clamp<rlim_t>(limit.rlim_cur / 4, 1, kEnough));
}

}  // namespace

FilePool::FilePool(std::shared_ptr<const Folder> folder, std::vector<std::string> names,
                   size_t max_open)
    : folder_(std::move(folder)), max_open_(max_open > 0 ? max_open : default_max_open()) {
  files_.reserve(names.size());
  for (std::string& name : names) files_.emplace_back().name = std::move(name);
}

Result<std::shared_ptr<const RandomAccessFile>> FilePool::open(size_t index) {
  STKIT_CHECK(index < files_.size());
  File& file = files_[index];
  {
    const std::lock_guard lock(mutex_);
    if (FilePtr already = file.open.lock()) {
      keep(index, already);
      return already;
    }
  }
  // Outside the lock: a remote folder takes its time.
  STKIT_ASSIGN(FilePtr opened, folder_->open(file.name));
  std::string identity = opened->identity();

  const std::lock_guard lock(mutex_);
  if (!file.was_opened) {
    file.was_opened = true;
    file.identity = std::move(identity);
  } else if (file.identity != identity) {
    return fail(ErrorCode::InputChanged, "was changed or replaced while the model was read",
                "run it again once nothing else writes to the file", opened->label());
  }
  if (FilePtr already = file.open.lock()) opened = std::move(already);
  file.open = opened;
  keep(index, opened);
  return opened;
}

// REQUIRES: mutex_ is held.
void FilePool::keep(size_t index, FilePtr file) {
  const auto place = std::ranges::find(recent_, index, &std::pair<size_t, FilePtr>::first);
  if (place != recent_.end()) {
    recent_.splice(recent_.begin(), recent_, place);
    return;
  }
  recent_.emplace_front(index, std::move(file));
  if (recent_.size() > max_open_) recent_.pop_back();
}

Result<void> FilePool::check_unchanged() {
  for (size_t index = 0; index < files_.size(); ++index) {
    {
      const std::lock_guard lock(mutex_);
      if (!files_[index].was_opened) continue;
    }
    STKIT_ASSIGN(const FilePtr file, open(index));
    STKIT_TRY(file->check_unchanged());
  }
  return {};
}

}  // namespace stkit
