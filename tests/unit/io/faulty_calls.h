// An operating system that fails when told to. Told beforehand, it may be used by many threads.
#pragma once

#include <algorithm>
#include <mutex>
#include <string_view>

#include "io/system_calls.h"

namespace stkit::test {

class FaultyCalls final : public SystemCalls {
 public:
  // The k-th call (from 1), whichever it is, fails with `number`.
  void fail_at(int k, int number) { fail_at_ = k, number_ = number; }
  // Every call of that name fails so.
  void always_fail(std::string_view call, int number) {
    *std::ranges::find(always_, std::string_view(), &Always::call) = {call, number};
  }
  // Every call that can be interrupted is, so many times in a row.
  void interrupt(int times) { interruptions_ = times; }
  // One byte per read and write.
  void one_byte_at_a_time() { most_bytes_ = 1; }
  void write_nothing() { most_bytes_ = 0; }

  int count() const { return count_; }
  std::string_view failed_call() const { return failed_call_; }  // empty if none was reached

  int open_at(int folder, const char* name, int flags, mode_t mode) override {
    return fails("open", true) ? -1 : SystemCalls::open_at(folder, name, flags, mode);
  }
  int close(int file) override {
    // As in the kernel, the descriptor is gone all the same.
    const int result = SystemCalls::close(file);
    return fails("close", false) ? -1 : result;
  }
  int stat_at(int folder, const char* name, struct stat& info, int flags) override {
    return fails("stat_at", false) ? -1 : SystemCalls::stat_at(folder, name, info, flags);
  }
  int stat(int file, struct stat& info) override {
    return fails("stat", false) ? -1 : SystemCalls::stat(file, info);
  }
  int statvfs(int file, struct ::statvfs& info) override {
    return fails("statvfs", false) ? -1 : SystemCalls::statvfs(file, info);
  }
  int list(int folder, std::vector<std::string>& names) override {
    return fails("list", false) ? -1 : SystemCalls::list(folder, names);
  }
  ssize_t pread(int file, std::span<std::byte> out, off_t offset) override {
    return fails("pread", true) ? -1 : SystemCalls::pread(file, cut(out), offset);
  }
  ssize_t pwrite(int file, std::span<const std::byte> data, off_t offset) override {
    return fails("pwrite", true) ? -1 : SystemCalls::pwrite(file, cut(data), offset);
  }
  int allocate(int file, off_t offset, off_t size) override {
    return fails("allocate", true) ? -1 : SystemCalls::allocate(file, offset, size);
  }
  int truncate(int file, off_t size) override {
    return fails("truncate", true) ? -1 : SystemCalls::truncate(file, size);
  }
  int set_mode(int file, mode_t mode) override {
    return fails("set_mode", false) ? -1 : SystemCalls::set_mode(file, mode);
  }
  // Hundreds of real ones would take minutes, and no test pulls the plug.
  int sync(int) override { return fails("sync", true) ? -1 : 0; }
  int lock(int file) override { return fails("lock", true) ? -1 : SystemCalls::lock(file); }
  int clone_range(int from, off_t from_offset, off_t size, int to, off_t to_offset) override {
    return fails("clone_range", true)
               ? -1
               : SystemCalls::clone_range(from, from_offset, size, to, to_offset);
  }
  int sync_range(int file, off_t offset, off_t size, unsigned flags) override {
    return fails("sync_range", true) ? -1 : SystemCalls::sync_range(file, offset, size, flags);
  }
  int advise(int file, off_t offset, off_t size, int advice) override {
    return fails("advise", false) ? -1 : SystemCalls::advise(file, offset, size, advice);
  }
  int direct_alignment(int file) override {
    return fails("direct_alignment", false) ? -1 : SystemCalls::direct_alignment(file);
  }
  ssize_t cached_bytes(int file, off_t offset, size_t size) override {
    return fails("cached_bytes", false) ? -1 : SystemCalls::cached_bytes(file, offset, size);
  }
  int rename(int folder, const char* from, const char* to) override {
    return fails("rename", true) ? -1 : SystemCalls::rename(folder, from, to);
  }
  int rename_new(int folder, const char* from, const char* to) override {
    return fails("rename_new", true) ? -1 : SystemCalls::rename_new(folder, from, to);
  }
  int link(int folder, const char* from, const char* to) override {
    return fails("link", true) ? -1 : SystemCalls::link(folder, from, to);
  }
  int unlink(int folder, const char* name) override {
    return fails("unlink", false) ? -1 : SystemCalls::unlink(folder, name);
  }

 private:
  struct Always {
    std::string_view call;
    int number = 0;
  };

  bool fails(std::string_view call, bool interruptible) {
    const std::lock_guard lock(mutex_);
    if (interruptible && interruptions_ > 0) {
      if (interrupted_++ % (interruptions_ + 1) != interruptions_) {
        errno = EINTR;
        return true;
      }
    }
    if (++count_ == fail_at_) {
      failed_call_ = call;
      errno = number_;
      return true;
    }
    for (const Always& always : always_)
      if (always.call == call) {
        errno = always.number;
        return true;
      }
    return false;
  }

  template <class T>
  std::span<T> cut(std::span<T> bytes) const {
    return bytes.first(std::min(bytes.size(), most_bytes_));
  }

  std::mutex mutex_;
  int count_ = 0;
  int fail_at_ = 0;
  int number_ = 0;
  std::string_view failed_call_;
  Always always_[4];
  int interruptions_ = 0;
  int interrupted_ = 0;
  size_t most_bytes_ = ~size_t{0};
};

}  // namespace stkit::test
