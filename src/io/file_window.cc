#include "io/file_window.h"

#include <fmt/format.h>

#include "base/check.h"
#include "stkit/text.h"

namespace stkit {

FileWindow::FileWindow(std::shared_ptr<const RandomAccessFile> file, uint64_t offset_bytes,
                       uint64_t size_bytes)
    : file_(std::move(file)), offset_bytes_(offset_bytes), size_bytes_(size_bytes) {
  STKIT_CHECK(offset_bytes <= file_->size_bytes() &&
              size_bytes <= file_->size_bytes() - offset_bytes);
}

Result<void> FileWindow::read_at(uint64_t offset_bytes, std::span<std::byte> out) const {
  if (offset_bytes > size_bytes_ || out.size() > size_bytes_ - offset_bytes)
    return fail(
        ErrorCode::Corrupt,
        fmt::format("{} bytes at byte {} of a part that holds {}", format_grouped(out.size()),
                    format_grouped(offset_bytes), format_grouped(size_bytes_)),
        {}, label());
  return file_->read_at(offset_bytes_ + offset_bytes, out);
}

}  // namespace stkit
