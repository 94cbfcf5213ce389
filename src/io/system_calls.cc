#include "io/system_calls.h"

#include <dirent.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <string_view>

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

int SystemCalls::allocate(int file, off_t size) { return ::fallocate(file, 0, 0, size); }

int SystemCalls::truncate(int file, off_t size) { return ::ftruncate(file, size); }

int SystemCalls::set_mode(int file, mode_t mode) { return ::fchmod(file, mode); }

int SystemCalls::sync(int file) { return ::fsync(file); }

int SystemCalls::lock(int file) { return ::flock(file, LOCK_EX | LOCK_NB); }

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
