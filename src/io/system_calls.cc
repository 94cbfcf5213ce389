#include "io/system_calls.h"

#include <dirent.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <string_view>

#include "io/filesystem.h"

namespace stkit {

int SystemCalls::open_at(int folder, const char* name, int flags, mode_t mode) {
  return ::openat(folder, name, flags, mode);
}

int SystemCalls::close(int file) { return ::close(file); }

int SystemCalls::stat_at(int folder, const char* name, struct stat& info, int flags) {
  return ::fstatat(folder, name, &info, flags);
}

int SystemCalls::stat(int file, struct stat& info) { return ::fstat(file, &info); }

int SystemCalls::statvfs(int file, struct ::statvfs& info) { return ::fstatvfs(file, &info); }

int SystemCalls::list(int folder, std::vector<std::string>& names) {
  // A descriptor of its own: reading moves the position, and closedir closes it.
  const int file = ::openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (file < 0) return -1;
  DIR* stream = ::fdopendir(file);
  if (stream == nullptr) {
    const int reason = errno;
    ::close(file);
    errno = reason;
    return -1;
  }
  names.clear();
  errno = 0;
  while (const dirent* entry = ::readdir(stream)) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
    errno = 0;
  }
  const int reason = errno;
  ::closedir(stream);
  errno = reason;
  return reason == 0 ? 0 : -1;
}

ssize_t SystemCalls::pread(int file, std::span<std::byte> out, off_t offset) {
  return ::pread(file, out.data(), out.size(), offset);
}

ssize_t SystemCalls::pwrite(int file, std::span<const std::byte> data, off_t offset) {
  return ::pwrite(file, data.data(), data.size(), offset);
}

int SystemCalls::allocate(int file, off_t offset, off_t size) {
  return ::fallocate(file, 0, offset, size);
}

int SystemCalls::truncate(int file, off_t size) { return ::ftruncate(file, size); }

int SystemCalls::set_mode(int file, mode_t mode) { return ::fchmod(file, mode); }

int SystemCalls::sync(int file) { return ::fsync(file); }

int SystemCalls::lock(int file) { return ::flock(file, LOCK_EX | LOCK_NB); }

bool SystemCalls::may_share_blocks(int file) { return is_on_sharing_filesystem(file); }

int SystemCalls::clone_range(int from, off_t from_offset, off_t size, int to, off_t to_offset) {
  file_clone_range range = {};
  range.src_fd = from;
  range.src_offset = static_cast<uint64_t>(from_offset);
  range.src_length = static_cast<uint64_t>(size);
  range.dest_offset = static_cast<uint64_t>(to_offset);
  return ::ioctl(to, FICLONERANGE, &range);
}

int SystemCalls::sync_range(int file, off_t offset, off_t size, unsigned flags) {
  return ::sync_file_range(file, offset, size, flags);
}

int SystemCalls::advise(int file, off_t offset, off_t size, int advice) {
  errno = ::posix_fadvise(file, offset, size, advice);
  return errno == 0 ? 0 : -1;
}

int SystemCalls::direct_alignment([[maybe_unused]] int file) {
#ifdef STATX_DIOALIGN
  struct statx info;
  if (::statx(file, "", AT_EMPTY_PATH, STATX_DIOALIGN, &info) != 0) return -1;
  if ((info.stx_mask & STATX_DIOALIGN) != 0)
    return static_cast<int>(std::max(info.stx_dio_mem_align, info.stx_dio_offset_align));
#endif
  errno = ENOSYS;
  return -1;
}

ssize_t SystemCalls::cached_bytes(int file, off_t offset, size_t size) {
  // For files that the caller could not write to, mincore pretends that all is there.
  struct stat info;
  if (::fstat(file, &info) != 0) return -1;
  if (::geteuid() != 0 && ::geteuid() != info.st_uid) {
    errno = EPERM;
    return -1;
  }
  void* const place = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, file, offset);
  if (place == MAP_FAILED) return -1;
  const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  std::vector<unsigned char> pages((size + page - 1) / page);
  const int result = ::mincore(place, size, pages.data());
  const int reason = errno;
  ::munmap(place, size);
  errno = reason;
  if (result != 0) return -1;
  const auto there =
      std::ranges::count_if(pages, [](unsigned char state) { return (state & 1) != 0; });
  return static_cast<ssize_t>(std::min(static_cast<size_t>(there) * page, size));
}

int SystemCalls::rename(int folder, const char* from, const char* to) {
  return ::renameat(folder, from, folder, to);
}

int SystemCalls::rename_new(int folder, const char* from, const char* to) {
#ifdef SYS_renameat2
  constexpr unsigned kNoReplace = 1;  // RENAME_NOREPLACE, which not every C library declares
  return static_cast<int>(::syscall(SYS_renameat2, folder, from, folder, to, kNoReplace));
#else
  errno = ENOSYS;
  return -1;
#endif
}

int SystemCalls::link(int folder, const char* from, const char* to) {
  return ::linkat(folder, from, folder, to, 0);
}

int SystemCalls::unlink(int folder, const char* name) { return ::unlinkat(folder, name, 0); }

SystemCalls& SystemCalls::real() {
  static SystemCalls calls;
  return calls;
}

}  // namespace stkit
