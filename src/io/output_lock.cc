#include "io/output_lock.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <utility>

#include "io/os_error.h"
#include "stkit/text.h"

namespace stkit {
namespace {

// Each turn means that another process finished in between.
constexpr int kMostTurns = 100;

std::string own_name() {
  std::array<char, 256> host = {};
  if (::gethostname(host.data(), host.size() - 1) != 0) host[0] = '?';
  return fmt::format("process {} on {}", ::getpid(), host.data());
}

std::string holder_name(SystemCalls& calls, int file) {
  std::array<char, 300> text;
  const ssize_t length = calls.pread(file, std::as_writable_bytes(std::span(text)), 0);
  if (length <= 0) return "another stkit";
  std::string_view name(text.data(), static_cast<size_t>(length));
  return printable(name.substr(0, name.find('\n')));
}

// Only for people, and on a full disk there is no room for it: failures do not matter. An empty
// file is not truncated, because ext4 would then write it to the disk as it is closed.
void sign(SystemCalls& calls, int file, off_t size) {
  if (size > 0 && calls.truncate(file, 0) != 0) return;
  const std::string name = own_name() + "\n";
  calls.pwrite(file, std::as_bytes(std::span(name)), 0);
}

std::unexpected<Error> locked(std::string holder, const std::string& path) {
  return fail(ErrorCode::OutputLocked, fmt::format("{} is writing to it", holder),
              "wait until it is done, or choose another name for the output", path);
}

}  // namespace

Result<OutputLock> OutputLock::take(SystemCalls& calls, int folder, std::string name,
                                    const std::string& path) {
  constexpr int kFlags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
  for (int turn = 0; turn < kMostTurns; ++turn) {
    Descriptor file(
        calls, uninterrupted([&] { return calls.open_at(folder, name.c_str(), kFlags, 0666); }));
    if (!file.is_open()) return fail(write_error(errno, path, "cannot be locked"));
    if (uninterrupted([&] { return calls.lock(file.get()); }) != 0) {
      if (errno == EWOULDBLOCK) return locked(holder_name(calls, file.get()), path);
      calls.unlink(folder, name.c_str());
      return OutputLock();
    }
    // The last holder removes the file: what we have locked may be a file without a name.
    OutputLock lock(calls, folder, name, std::move(file));
    struct stat ours, named;
    if (calls.stat(lock.file_.get(), ours) != 0)
      return fail(write_error(errno, path, "cannot be locked"));
    if (calls.stat_at(folder, name.c_str(), named, AT_SYMLINK_NOFOLLOW) == 0 &&
        ours.st_ino == named.st_ino && ours.st_dev == named.st_dev) {
      sign(calls, lock.file_.get(), ours.st_size);
      return lock;
    }
    lock.file_.close();
  }
  return locked("another stkit", path);
}

void OutputLock::release() {
  if (!is_held()) return;
  // In this order: behind the close, the name may be another's.
  calls_->unlink(folder_, name_.c_str());
  file_.close();
}

}  // namespace stkit
