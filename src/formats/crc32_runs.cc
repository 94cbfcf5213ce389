#include "formats/crc32_runs.h"

#include "base/check.h"
#include "formats/inflate.h"

namespace stkit {

void Crc32Runs::add(uint64_t offset_bytes, std::span<const std::byte> bytes) {
  if (bytes.empty()) return;
  const uint32_t crc = crc32_of(bytes);
  const std::lock_guard lock(mutex_);
  auto at = runs_.emplace(offset_bytes, Run{bytes.size(), crc}).first;
  const auto join_with_next = [&](std::map<uint64_t, Run>::iterator run) {
    const auto next = std::next(run);
    if (next == runs_.end() || run->first + run->second.size_bytes != next->first) return;
    run->second = {run->second.size_bytes + next->second.size_bytes,
                   joined_crc32(run->second.crc, next->second.crc, next->second.size_bytes)};
    runs_.erase(next);
  };
  join_with_next(at);
  if (at != runs_.begin()) join_with_next(std::prev(at));
}

uint32_t Crc32Runs::value() const {
  if (runs_.empty()) return 0;
  STKIT_CHECK(runs_.size() == 1 && runs_.begin()->first == 0);
  return runs_.begin()->second.crc;
}

}  // namespace stkit
