#include "output.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace stkit::cli {
namespace {

constexpr size_t kBufferBytes = 64 * 1024;

}  // namespace

void Output::write(std::string_view text) {
  if (closed() || text.empty()) return;
  if (std::exchange(separate_, false)) buffer_ += '\n';
  wrote_ = true;
  buffer_ += text;
  if (buffer_.size() >= kBufferBytes) drain();
}

Result<void> Output::flush() {
  drain();
  if (error_ == 0) return {};
  const bool full = error_ == ENOSPC || error_ == EDQUOT || error_ == EFBIG;
  return fail(full ? ErrorCode::NoSpace : ErrorCode::WriteFailed,
              "cannot write the result: " + std::generic_category().message(error_), {}, "stdout");
}

void Output::drain() {
  std::string_view rest = buffer_;
  while (!rest.empty() && !closed()) {
    const ssize_t written = ::write(fd_, rest.data(), rest.size());
    if (written > 0) {
      rest.remove_prefix(static_cast<size_t>(written));
    } else if (errno == EPIPE) {
      reader_gone_ = true;
    } else if (errno == EAGAIN) {
      // A stdout that another process made non-blocking.
      pollfd wait{fd_, POLLOUT, 0};
      poll(&wait, 1, -1);
    } else if (errno != EINTR) {
      error_ = errno;
    }
  }
  buffer_.clear();
}

}  // namespace stkit::cli
