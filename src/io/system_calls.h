// The calls to the operating system that can fail for reasons outside of this program, in one
// place, so that tests can make each of them fail. They return what the kernel does: -1 and errno.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/types.h>

#include <cerrno>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace stkit {

class SystemCalls {
 public:
  virtual ~SystemCalls() = default;

  // `folder` is a descriptor, or AT_FDCWD.
  virtual int open_at(int folder, const char* name, int flags, mode_t mode);
  virtual int close(int file);
  virtual int stat_at(int folder, const char* name, struct stat& info, int flags);
  virtual int stat(int file, struct stat& info);
  virtual int statvfs(int file, struct ::statvfs& info);
  // The names in a folder but "." and "..", in no order.
  virtual int list(int folder, std::vector<std::string>& names);

  virtual ssize_t pread(int file, std::span<std::byte> out, off_t offset);
  virtual ssize_t pwrite(int file, std::span<const std::byte> data, off_t offset);
  virtual int allocate(int file, off_t offset, off_t size);
  virtual int truncate(int file, off_t size);
  virtual int set_mode(int file, mode_t mode);
  virtual int sync(int file);
  virtual int lock(int file);  // flock, exclusive, without waiting

  // Whether clone_range may succeed between files there; false when the system does not say.
  virtual bool may_share_blocks(int file);
  // FICLONERANGE: both files share the blocks from then on.
  virtual int clone_range(int from, off_t from_offset, off_t size, int to, off_t to_offset);
  // sync_file_range and posix_fadvise; neither makes anything durable.
  virtual int sync_range(int file, off_t offset, off_t size, unsigned flags);
  virtual int advise(int file, off_t offset, off_t size, int advice);
  // What offsets, sizes and addresses must be multiples of when the file was opened with O_DIRECT;
  // 0 when it cannot be. Fails where the system does not say.
  virtual int direct_alignment(int file);
  // How many of these bytes are in the page cache. REQUIRES: offset is a multiple of the page size.
  // Fails where the system does not say; EPERM for files of others.
  virtual ssize_t cached_bytes(int file, off_t offset, size_t size);

  // Both names are in the same folder.
  virtual int rename(int folder, const char* from, const char* to);
  virtual int rename_new(int folder, const char* from, const char* to);  // EEXIST if `to` is there
  virtual int link(int folder, const char* from, const char* to);
  virtual int unlink(int folder, const char* name);

  static SystemCalls& real();
};

// Repeats a call for as long as signals interrupt it.
template <class Call>
auto uninterrupted(Call call) {
  while (true) {
    const auto result = call();
    if (result != -1 || errno != EINTR) return result;
  }
}

// Owns a descriptor.
class Descriptor {
 public:
  Descriptor() = default;
  Descriptor(SystemCalls& calls, int file) : calls_(&calls), file_(file) {}
  Descriptor(Descriptor&& other) noexcept : calls_(other.calls_), file_(other.release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    if (this == &other) return *this;
    close();
    calls_ = other.calls_;
    file_ = other.release();
    return *this;
  }
  ~Descriptor() { close(); }

  int get() const { return file_; }
  bool is_open() const { return file_ >= 0; }
  // Never to be repeated: also after a failure the descriptor is gone.
  int close() { return is_open() ? calls_->close(release()) : 0; }

 private:
  int release() {
    const int file = file_;
    file_ = -1;
    return file;
  }

  SystemCalls* calls_ = nullptr;
  int file_ = -1;
};

}  // namespace stkit
