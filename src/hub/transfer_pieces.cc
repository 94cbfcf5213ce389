#include "hub/transfer_pieces.h"

#include <algorithm>
#include <utility>

namespace stkit {
namespace {

using Time = std::chrono::steady_clock::time_point;
using Seconds = std::chrono::duration<double>;

// What is left to a connection is shared with an idle one when it is this much, or when it takes
// longer than TransferOptions::patience still.
constexpr uint64_t kWorthSharing = 8u << 20;
// How a connection gets on.
struct Pace {
  uint64_t left = 0;
  double speed = 0;    // bytes a second
  bool known = false;  // the speed is not a guess
  Seconds to_go() const { return Seconds(static_cast<double>(left) / std::max(speed, 1.0)); }
};

// REQUIRES: piece.mutex is held.
Pace pace_of(const TransferPiece& piece, std::chrono::milliseconds patience, Time now) {
  constexpr double kUsualSpeed = 1e6;
  Pace pace{.left = piece.end - piece.received, .speed = kUsualSpeed};
  const Seconds elapsed = now - piece.earlier.time;
  pace.known = elapsed >= patience / 4;
  if (now - piece.last_received >= patience)
    pace.speed = 0;
  else if (pace.known)
    pace.speed = static_cast<double>(piece.received - piece.earlier.received) / elapsed.count();
  return pace;
}

// REQUIRES: nobody else knows of `piece` yet.
void begin(TransferPiece& piece, const std::shared_ptr<ActiveFile>& file, uint64_t first,
           uint64_t end, Time now) {
  piece.file = file;
  piece.asked = {first, end - first};
  piece.first = piece.received = first;
  piece.end = end;
  piece.begun = piece.last_write = piece.last_received = now;
  piece.mark = piece.earlier = {now, first};
  file->pieces.push_back(&piece);
}

}  // namespace

void take_unclaimed(const std::shared_ptr<ActiveFile>& file, uint64_t most_bytes, Time now,
                    TransferPiece& piece) {
  const auto extent = file->unclaimed.begin();
  const auto [first, extent_end] = *extent;
  const uint64_t size = extent_end - first;
  const uint64_t end = first + (file->one_stream ? size : std::min(size, most_bytes));
  file->unclaimed.erase(extent);
  if (end < extent_end) file->unclaimed.emplace(end, extent_end);
  begin(piece, file, first, end, now);
}

TransferPiece* find_slowest(std::span<const std::shared_ptr<ActiveFile>> files,
                            std::chrono::milliseconds patience, Time now) {
  TransferPiece* slowest = nullptr;
  Seconds longest{0};
  for (const auto& file : files) {
    if (file->one_stream || file->restart) continue;
    for (TransferPiece* each : file->pieces) {
      const std::lock_guard lock(each->mutex);
      const Pace pace = pace_of(*each, patience, now);
      const bool drags = pace.known && pace.to_go() >= patience;
      if ((drags || pace.left >= kWorthSharing) && pace.to_go() > longest) {
        slowest = each;
        longest = pace.to_go();
      }
    }
  }
  return slowest;
}

bool take_share(TransferPiece& from, std::chrono::milliseconds patience, Time now,
                TransferPiece& piece) {
  const std::lock_guard lock(from.mutex);
  const Pace pace = pace_of(from, patience, now);
  uint64_t kept = pace.left / 2;
  // On the edge of a block, so that the journal tells of both sides.
  const uint64_t edge =
      ((from.received + kept) / PartialFile::kBlockBytes + 1) * PartialFile::kBlockBytes;
  if (edge < from.end) kept = edge - from.received;
  if (pace.known)
    kept = std::min(kept, static_cast<uint64_t>(pace.speed * Seconds(patience).count()));
  if (kept == pace.left) return false;
  const uint64_t end = std::exchange(from.end, from.received + kept);
  if (kept == 0) from.cancel.cancel();
  begin(piece, from.file, from.end, end, now);
  return true;
}

void give_back(const TransferPiece& piece) {
  auto& unclaimed = piece.file->unclaimed;
  uint64_t end = piece.end;
  if (const auto next = unclaimed.find(end); next != unclaimed.end()) {
    end = next->second;
    unclaimed.erase(next);
  }
  unclaimed.emplace(piece.first, end);
}

}  // namespace stkit
