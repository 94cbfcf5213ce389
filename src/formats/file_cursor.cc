#include "formats/file_cursor.h"

#include <fmt/format.h>

#include <limits>

#include "base/checked_math.h"
#include "stkit/text.h"

namespace stkit {

FileCursor::FileCursor(const RandomAccessFile& file, uint64_t limit_bytes)
    : file_(file), end_(std::min(file.size_bytes(), limit_bytes)) {}

bool FileCursor::expect(uint64_t count, uint64_t bytes_each) {
  if (!ok()) return false;
  const auto bytes = checked_mul(count, bytes_each);
  if (bytes && *bytes <= remaining()) return true;
  wanted_ = bytes.value_or(std::numeric_limits<uint64_t>::max());
  state_ = wanted_ > file_.size_bytes() - position_ ? State::PastEnd : State::PastLimit;
  return false;
}

std::span<const std::byte> FileCursor::bytes(uint64_t count, Arena& storage) {
  if (!expect(count, 1)) return {};
  if (count <= kMaxTakeBytes) return storage.copy(take(static_cast<size_t>(count)));
  std::byte* const place = room<std::byte>(count, storage);
  if (place == nullptr) return {};
  const std::span<std::byte> out(place, static_cast<size_t>(count));
  read_into(out);
  return ok() ? out : std::span<std::byte>();
}

std::span<const std::byte> FileCursor::take(size_t count) {
  if (!expect(count, 1)) return {};
  if (position_ + count > window_start_ + window_.size()) read_window(count);
  if (!ok()) return {};
  const auto taken =
      std::span(window_).subspan(static_cast<size_t>(position_ - window_start_), count);
  position_ += count;
  return taken;
}

void FileCursor::read_window(size_t count) {
  const size_t wanted = std::max(
      count, window_.empty() ? kFirstWindowBytes : std::min(2 * window_.size(), kMaxWindowBytes));
  window_.resize(static_cast<size_t>(std::min<uint64_t>(wanted, remaining())));
  window_start_ = position_;
  if (auto read = file_.read_at(position_, window_); !read) stop(std::move(read).error());
}

void FileCursor::read_into(std::span<std::byte> out) {
  const uint64_t window_end = window_start_ + window_.size();
  if (position_ < window_end) {
    const auto held = std::span(window_).subspan(static_cast<size_t>(position_ - window_start_));
    const size_t count = std::min(held.size(), out.size());
    std::memcpy(out.data(), held.data(), count);
    out = out.subspan(count);
    position_ += count;
  }
  if (out.empty()) return;
  if (auto read = file_.read_at(position_, out); !read) return stop(std::move(read).error());
  position_ += out.size();
}

void FileCursor::stop(Error error) {
  error_ = std::move(error);
  state_ = State::Failed;
}

void FileCursor::out_of_memory(uint64_t bytes) {
  stop({ErrorCode::OutOfMemory,
        fmt::format("no memory for {} bytes of the header", format_grouped(bytes)),
        {},
        file_.label()});
}

}  // namespace stkit
