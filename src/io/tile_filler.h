// Brings the bytes of an output into memory, wherever they come from.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "io/assembly.h"
#include "io/direct_source.h"

namespace stkit {

struct FillOptions {
  bool direct_read = false;
  bool drop_sources = false;  // what is read through the page cache leaves it
  size_t block_bytes = 0;     // of direct reads
};

// For one thread.
class TileFiller {
 public:
  TileFiller(SystemCalls& calls, std::span<const Segment> segments, const AssemblyOptions& options,
             const FillOptions& how)
      : calls_(calls), segments_(segments), options_(options), how_(how) {}

  // Puts bytes [begin, end) of the output at the start of `room`, which is longer by
  // DirectSource::kRoomBlocks blocks if reads are direct. `begin` lies in segment `first_segment`
  // or behind it. REQUIRES: neither end is inside of a produced piece.
  Result<void> fill(uint64_t begin, uint64_t end, size_t first_segment, std::span<std::byte> room);

 private:
  // One part of one segment: what lies in the file, from `first` on.
  struct Part {
    uint64_t first;
    size_t size;
    std::span<std::byte> room;

    std::span<std::byte> out() const { return room.first(size); }
  };
  Result<void> fill(const Segment::Zeros& zeros, const Part& part);
  Result<void> fill(const Segment::MemoryBytes& memory, const Part& part);
  Result<void> fill(const Segment::ProducedBytes& produced, const Part& part);
  Result<void> fill(const Segment::FileBytes& copy, const Part& part);

  Result<void> open(uint32_t file);

  SystemCalls& calls_;
  const std::span<const Segment> segments_;
  const AssemblyOptions& options_;
  const FillOptions how_;

  // The source that was read last, since it is most often also the next.
  uint32_t file_ = 0;
  std::shared_ptr<const RandomAccessFile> source_;
  std::optional<DirectSource> direct_source_;
};

}  // namespace stkit
