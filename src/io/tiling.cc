#include "io/tiling.h"

#include <algorithm>

#include "base/check.h"

namespace stkit {

uint64_t produced_piece_bytes(const Segment::ProducedBytes& produced) {
  const uint64_t block = produced.block_bytes;
  return std::max<uint64_t>(kProducedPieceBytes / block, 1) * block;
}

size_t Tiling::count() const {
  return static_cast<size_t>(size_bytes_ / tile_bytes_ + (size_bytes_ % tile_bytes_ != 0));
}

Tiling::Tile Tiling::tile(size_t index) const {
  const uint64_t begin = start_of(index);
  return {begin, start_of(index + 1), segment_at(begin)};
}

// The last one that starts there or before: of several that start there, all but it are empty.
size_t Tiling::segment_at(uint64_t offset) const {
  const auto next = std::ranges::upper_bound(segments_, offset, {}, &Segment::offset_bytes);
  return static_cast<size_t>(next - segments_.begin()) - 1;
}

uint64_t Tiling::start_of(size_t index) const {
  if (index >= size_bytes_ / tile_bytes_ + 1) return size_bytes_;
  const uint64_t offset = index * tile_bytes_;
  if (offset == 0 || offset >= size_bytes_) return std::min(offset, size_bytes_);
  const Segment& segment = segments_[segment_at(offset)];
  const auto* produced = std::get_if<Segment::ProducedBytes>(&segment.content);
  if (produced == nullptr) return offset;
  return offset - (offset - segment.offset_bytes) % produced_piece_bytes(*produced);
}

SegmentTotals total(std::span<const Segment> segments, uint64_t size_bytes) {
  SegmentTotals totals;
  uint64_t end = 0;
  for (const Segment& segment : segments) {
    STKIT_CHECK(segment.offset_bytes == end && segment.size_bytes <= size_bytes - end);
    end += segment.size_bytes;
    if (std::holds_alternative<Segment::FileBytes>(segment.content))
      totals.file_bytes += segment.size_bytes;
    if (const auto* produced = std::get_if<Segment::ProducedBytes>(&segment.content)) {
      STKIT_CHECK(produced->block_bytes > 0 && segment.size_bytes % produced->block_bytes == 0);
      totals.produced_bytes += segment.size_bytes;
      totals.largest_piece_bytes =
          std::max(totals.largest_piece_bytes,
                   std::min(produced_piece_bytes(*produced), segment.size_bytes));
    }
  }
  STKIT_CHECK(end == size_bytes);
  return totals;
}

}  // namespace stkit
