#include "io/direct_source.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "io/os_error.h"
#include "stkit/text.h"

namespace stkit {

size_t smallest_direct_block() {
  static const auto kPage = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  return std::max<size_t>(kPage, 4096);
}

Descriptor open_direct(SystemCalls& calls, int file, int access, size_t block_bytes) {
  const int alignment = calls.direct_alignment(file);
  if (alignment == 0 || alignment > static_cast<int>(block_bytes)) return {};
  const std::string name = fmt::format("/proc/self/fd/{}", file);
  const int flags = access | O_DIRECT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
  return {calls, uninterrupted([&] { return calls.open_at(AT_FDCWD, name.c_str(), flags, 0); })};
}

bool is_direct_refused(int number) { return number == EINVAL || number == EOPNOTSUPP; }

DirectSource::DirectSource(SystemCalls& calls, std::shared_ptr<const RandomAccessFile> file,
                           size_t block_bytes)
    : calls_(calls), file_(std::move(file)), block_bytes_(block_bytes) {
  if (file_->descriptor() >= 0)
    direct_ = open_direct(calls_, file_->descriptor(), O_RDONLY, block_bytes_);
}

Result<void> DirectSource::read(uint64_t offset_bytes, size_t size, std::span<std::byte> room) {
  const uint64_t file_bytes = file_->size_bytes();
  size_t done = 0;
  if (direct_.is_open() && offset_bytes <= file_bytes && size <= file_bytes - offset_bytes) {
    const auto skip = static_cast<size_t>(offset_bytes % block_bytes_);
    const size_t wanted = (skip + size + block_bytes_ - 1) / block_bytes_ * block_bytes_;
    void* place = room.data();
    size_t space = room.size();
    STKIT_CHECK(std::align(block_bytes_, wanted, place, space) != nullptr);
    const std::span blocks(static_cast<std::byte*>(place), wanted);
    STKIT_ASSIGN(const size_t got, read_blocks(offset_bytes - skip, skip + size, blocks));
    if (got > skip) done = std::min(got - skip, size);
    // The blocks lie where the kernel can fill them; the bytes go where they belong.
    if (done > 0) std::memmove(room.data(), blocks.data() + skip, done);
  }
  if (done == size) return {};
  return file_->read_at(offset_bytes + done, room.subspan(done, size - done));
}

// Reads at least `wanted` bytes, or what there is before a transfer that ends inside of a block:
// the end of the file, or a call cut short.
Result<size_t> DirectSource::read_blocks(uint64_t first, size_t wanted,
                                         std::span<std::byte> blocks) {
  size_t done = 0;
  while (done < wanted && done % block_bytes_ == 0) {
    const ssize_t count = uninterrupted([&] {
      return calls_.pread(direct_.get(), blocks.subspan(done), static_cast<off_t>(first + done));
    });
    if (count < 0 && is_direct_refused(errno)) {
      direct_.close();
      break;
    }
    if (count < 0)
      return fail(
          read_error(errno, file_->label(),
                     fmt::format("cannot be read at byte {}", format_grouped(first + done))));
    if (count == 0) break;
    done += static_cast<size_t>(count);
  }
  return done;
}

}  // namespace stkit
