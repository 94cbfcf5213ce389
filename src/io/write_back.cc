#include "io/write_back.h"

namespace stkit {
namespace {

constexpr uint64_t kWindowBytes = uint64_t{32} << 20;
// How many windows the disk may lag behind: what is in memory of an output, at most.
constexpr uint64_t kLagWindows = 4;

// Large enough that the folios that the kernel caches in are inside of it, but for a few.
constexpr uint64_t kSourceWindowBytes = uint64_t{8} << 20;

}  // namespace

// Threads finish out of order, by less than a window: the one before the last is whole.
Result<void> WriteBack::add(uint64_t bytes) {
  if (kind_ == Kind::None) return {};
  const uint64_t before = written_bytes_.fetch_add(bytes, std::memory_order_relaxed);
  for (uint64_t window = before / kWindowBytes; window < (before + bytes) / kWindowBytes;
       ++window) {
    if (window >= 1) start(window - 1);
    if (kind_ == Kind::Drop && window >= kLagWindows) STKIT_TRY(drop(window - kLagWindows));
  }
  return {};
}

// Only a hint, so it may fail.
void WriteBack::start(uint64_t window) {
  output_.calls().sync_range(output_.descriptor(), static_cast<off_t>(window * kWindowBytes),
                             kWindowBytes, SYNC_FILE_RANGE_WRITE);
}

// Waits for the disk first, since only clean pages can go; that also holds the writers back. The
// kernel tells a file of a failed write once: when it says so here, the sync in commit() no longer
// does.
Result<void> WriteBack::drop(uint64_t window) {
  const uint64_t begin = window * kWindowBytes;
  const int result = uninterrupted([&] {
    return output_.calls().sync_range(
        output_.descriptor(), static_cast<off_t>(begin), kWindowBytes,
        SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
  });
  if (result != 0 && (errno == EIO || errno == ENOSPC || errno == EDQUOT))
    return fail(output_.write_failed(errno, begin));
  output_.calls().advise(output_.descriptor(), static_cast<off_t>(begin), kWindowBytes,
                         POSIX_FADV_DONTNEED);
  return {};
}

void drop_behind(SystemCalls& calls, int file, uint64_t offset_bytes, uint64_t size_bytes) {
  const uint64_t first = offset_bytes / kSourceWindowBytes;
  const uint64_t last = (offset_bytes + size_bytes) / kSourceWindowBytes;
  if (first == last || last < 2) return;
  // The window that was just left still has other threads in it.
  const uint64_t begin = first > 0 ? first - 1 : 0;
  calls.advise(file, static_cast<off_t>(begin * kSourceWindowBytes),
               static_cast<off_t>((last - 1 - begin) * kSourceWindowBytes), POSIX_FADV_DONTNEED);
}

}  // namespace stkit
