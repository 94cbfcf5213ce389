#include "io/tile_filler.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "io/tiling.h"
#include "io/write_back.h"

namespace stkit {
namespace {

// Less is read through the page cache, whose read-ahead beats a request of its own to the disk.
constexpr size_t kSmallestDirectRead = size_t{128} << 10;

}  // namespace

Result<void> TileFiller::fill(uint64_t begin, uint64_t end, size_t first_segment,
                              std::span<std::byte> room) {
  for (size_t i = first_segment; begin < end; ++i) {
    const Segment& segment = segments_[i];
    const uint64_t first = begin - segment.offset_bytes;
    if (first >= segment.size_bytes) continue;
    const auto size = static_cast<size_t>(std::min(segment.size_bytes - first, end - begin));
    STKIT_TRY(
        std::visit([&](const auto& content) { return fill(content, Part{first, size, room}); },
                   segment.content));
    room = room.subspan(size);
    begin += size;
  }
  return {};
}

Result<void> TileFiller::fill(const Segment::Zeros&, const Part& part) {
  std::ranges::fill(part.out(), std::byte{});
  return {};
}

Result<void> TileFiller::fill(const Segment::MemoryBytes& memory, const Part& part) {
  std::memcpy(part.room.data(), memory.data + part.first, part.size);
  return {};
}

Result<void> TileFiller::fill(const Segment::ProducedBytes& produced, const Part& part) {
  const uint64_t piece_bytes = produced_piece_bytes(produced);
  STKIT_CHECK(part.first % piece_bytes == 0);
  std::span<std::byte> out = part.out();
  uint64_t block = part.first / produced.block_bytes;
  while (!out.empty()) {
    if (options_.run.cancel != nullptr) STKIT_TRY(options_.run.cancel->check());
    const auto piece = out.first(static_cast<size_t>(std::min<uint64_t>(piece_bytes, out.size())));
    STKIT_TRY(produced.producer->produce(block, piece));
    block += piece_bytes / produced.block_bytes;
    out = out.subspan(piece.size());
  }
  return {};
}

Result<void> TileFiller::fill(const Segment::FileBytes& copy, const Part& part) {
  STKIT_TRY(open(copy.file));
  const uint64_t offset = copy.offset_bytes + part.first;
  if (how_.direct_read && part.size >= kSmallestDirectRead) {
    if (!direct_source_) direct_source_.emplace(calls_, source_, how_.block_bytes);
    return direct_source_->read(offset, part.size, part.room);
  }
  STKIT_TRY(source_->read_at(offset, part.out()));
  if (how_.drop_sources && source_->descriptor() >= 0)
    drop_behind(calls_, source_->descriptor(), offset, part.size);
  return {};
}

Result<void> TileFiller::open(uint32_t file) {
  if (source_ != nullptr && file_ == file) return {};
  direct_source_.reset();
  STKIT_ASSIGN(source_, options_.open_file(file));
  file_ = file;
  return {};
}

}  // namespace stkit
