#include "io/block_sharing.h"

#include <algorithm>
#include <optional>

namespace stkit {
namespace {

// Below this, copying costs less than the call and the extents that the filesystem has to keep.
constexpr uint64_t kSmallestShare = uint64_t{256} << 10;
// What one call shares, so that a run can be stopped.
constexpr uint64_t kMostBytesPerCall = uint64_t{1} << 30;

// The whole blocks of the output that a segment fills with whole blocks of its source, if sharing
// them is worth it.
std::optional<FileRange> whole_blocks(const Segment& segment, uint64_t block) {
  const auto* copy = std::get_if<Segment::FileBytes>(&segment.content);
  const uint64_t begin = segment.offset_bytes;
  if (copy == nullptr || begin % block != copy->offset_bytes % block) return std::nullopt;
  const uint64_t end = begin + segment.size_bytes;
  const uint64_t first = begin + (block - begin % block) % block, last = end - end % block;
  if (last < first || last - first < kSmallestShare) return std::nullopt;
  return FileRange{first, last};
}

uint64_t filesystem_block(AtomicOutput& output) {
  struct ::statvfs info;
  if (output.calls().statvfs(output.descriptor(), info) != 0) return 0;
  return info.f_bsize;
}

}  // namespace

Result<std::vector<FileRange>> share_blocks(AtomicOutput& output, std::span<const Segment> segments,
                                            const AssemblyOptions& options, uint64_t block_bytes) {
  std::vector<FileRange> shared;
  const uint64_t block = std::max(block_bytes, filesystem_block(output));
  if (block % block_bytes != 0) return shared;
  for (const Segment& segment : segments) {
    const auto whole = whole_blocks(segment, block);
    if (!whole) continue;

    const auto& copy = std::get<Segment::FileBytes>(segment.content);
    STKIT_ASSIGN(const auto source, options.open_file(copy.file));
    if (source->descriptor() < 0) return shared;
    for (uint64_t begin = whole->begin; begin < whole->end;) {
      if (options.run.cancel != nullptr) STKIT_TRY(options.run.cancel->check());
      const uint64_t size = std::min(kMostBytesPerCall, whole->end - begin);
      const uint64_t from = copy.offset_bytes + (begin - segment.offset_bytes);
      const int result = uninterrupted([&] {
        return output.calls().clone_range(source->descriptor(), static_cast<off_t>(from),
                                          static_cast<off_t>(size), output.descriptor(),
                                          static_cast<off_t>(begin));
      });
      if (result != 0) return shared;
      if (!shared.empty() && shared.back().end == begin)
        shared.back().end += size;
      else
        shared.push_back({begin, begin + size});
      if (options.run.progress != nullptr && segment.progress_item != Segment::kNoItem)
        options.run.progress->advance(segment.progress_item, size);
      begin += size;
    }
  }
  return shared;
}

uint64_t shareable_bytes(std::span<const Segment> segments, uint64_t block_bytes) {
  uint64_t bytes = 0;
  for (const Segment& segment : segments)
    if (const auto whole = whole_blocks(segment, block_bytes)) bytes += whole->end - whole->begin;
  return bytes;
}

}  // namespace stkit
