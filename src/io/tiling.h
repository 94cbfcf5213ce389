// How an output is cut into what one thread makes at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "io/assembly.h"

namespace stkit {

// The bytes that one call of BlockProducer::produce is asked for, but at the end of a segment.
uint64_t produced_piece_bytes(const Segment::ProducedBytes& produced);

// Tiles are ranges of the output, whatever the segments in them: a thousand small tensors are one
// write. They are computed, not kept, so that a terabyte costs nothing. Each starts at a multiple
// of `tile_bytes`, or, where that lies inside of a produced piece, at the start of that piece.
class Tiling {
 public:
  struct Tile {
    uint64_t begin;
    uint64_t end;          // may be `begin`
    size_t first_segment;  // the one that holds `begin`
  };

  // REQUIRES: the segments cover [0, size_bytes) in their order.
  Tiling(std::span<const Segment> segments, uint64_t size_bytes, uint64_t tile_bytes)
      : segments_(segments), size_bytes_(size_bytes), tile_bytes_(tile_bytes) {}

  size_t count() const;
  Tile tile(size_t index) const;

 private:
  size_t segment_at(uint64_t offset) const;
  uint64_t start_of(size_t index) const;

  const std::span<const Segment> segments_;
  const uint64_t size_bytes_;
  const uint64_t tile_bytes_;
};

// What lies in the segments of an output, and how large a tile can get beyond Tiling's tile_bytes.
struct SegmentTotals {
  uint64_t file_bytes = 0;
  uint64_t produced_bytes = 0;
  uint64_t largest_piece_bytes = 0;
};

// Checks that the segments are what assemble() requires.
SegmentTotals total(std::span<const Segment> segments, uint64_t size_bytes);

}  // namespace stkit
