#include "io/assembly.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/parallel.h"
#include "io/aligned_bytes.h"
#include "io/block_sharing.h"
#include "io/direct_output.h"
#include "io/io_choice.h"
#include "io/tile_filler.h"
#include "io/tiling.h"
#include "io/write_back.h"

namespace stkit {
namespace {

constexpr std::string_view kModeNames[] = {"auto", "buffered", "direct"};

// Measured: buffers that stay in the L2 cache copy fastest through the page cache. Past it, four
// threads with 2 MiB each keep a disk as busy as anything does; two with 8 MiB take a fifth to a
// third longer, since both are at times reading or both writing.
constexpr uint64_t kBufferedTileBytes = uint64_t{256} << 10;
constexpr uint64_t kDirectTileBytes = uint64_t{2} << 20;
// Over a network every read is a request, whose way there and back costs as much as a megabyte.
constexpr uint64_t kRemoteCopyTileBytes = uint64_t{4} << 20;
constexpr uint64_t kRemoteProduceTileBytes = kProducedPieceBytes;
constexpr uint64_t kSmallestTileBytes = uint64_t{64} << 10;

// Of all threads, unless RunOptions say otherwise or there are very many of them.
constexpr uint64_t kDefaultMemoryBytes = uint64_t{48} << 20;

// Who only copies soon waits for the disk or for memory, and for the lock of the file.
constexpr unsigned kMostCopyThreads = 4;
// Who waits for a network needs no core.
constexpr unsigned kMostRemoteThreads = 8;

// The buffers that an assembly works with.
struct Sizes {
  unsigned threads;
  uint64_t tile_bytes;
  size_t buffer_bytes;  // of a thread
};

Sizes size_up(const AssemblyOptions& options, const SegmentTotals& totals, bool direct,
              size_t block_bytes) {
  const RunOptions& run = options.run;
  unsigned threads = thread_count(run);
  if (totals.produced_bytes == 0) {
    threads = std::min(threads, kMostCopyThreads);
    // They wait for the disk, not for a core.
    if (run.threads == 0 && direct) threads = kMostCopyThreads;
  }
  if (run.threads == 0) threads = std::max(threads, std::min(options.readers, kMostRemoteThreads));

  // Behind the tile: a piece that does not end with it, its place in a block, and room for reads.
  const uint64_t behind =
      totals.largest_piece_bytes + (1 + DirectSource::kRoomBlocks) * block_bytes;
  const uint64_t remote =
      totals.produced_bytes > 0 ? kRemoteProduceTileBytes : kRemoteCopyTileBytes;
  const uint64_t wanted = options.readers > 0 ? remote
                          : direct            ? kDirectTileBytes
                                              : kBufferedTileBytes;
  const uint64_t memory = run.max_memory_bytes > 0 ? run.max_memory_bytes : kDefaultMemoryBytes;
  const uint64_t share = memory / threads;
  uint64_t tile = std::clamp(share > behind ? share - behind : 0, kSmallestTileBytes, wanted);
  tile = (tile + block_bytes - 1) / block_bytes * block_bytes;
  if (run.max_memory_bytes > 0)
    threads = static_cast<unsigned>(std::clamp<uint64_t>(memory / (tile + behind), 1, threads));
  const uint64_t buffer = (tile + behind + block_bytes - 1) / block_bytes * block_bytes;
  return {threads, tile, static_cast<size_t>(buffer)};
}

class Assembler {
 public:
  Assembler(AtomicOutput& output, std::span<const Segment> segments, const AssemblyOptions& options)
      : output_(output),
        segments_(segments),
        options_(options),
        totals_(total(segments, output.size_bytes())) {}

  Result<AssemblyReport> run() {
    STKIT_TRY(share());
    STKIT_TRY(output_.reserve(shared_));
    STKIT_ASSIGN(const IoFacts facts, look_at_io(output_, segments_, totals_.file_bytes, options_));
    const IoChoice choice = choose_io(options_.mode, facts);
    if (choice.direct_write) direct_ = DirectOutput::open(output_);
    WriteBack write_back(output_, direct_ == nullptr ? choice.write_back : WriteBack::Kind::None);
    write_back_ = &write_back;
    STKIT_TRY(write_tiles({.direct_read = choice.direct_read && direct_ != nullptr,
                           .drop_sources = choice.drop_sources,
                           .block_bytes = smallest_direct_block()}));
    return report();
  }

 private:
  // What one thread works with.
  struct Worker {
    TileFiller filler;
    AlignedBytes buffer;
  };

  // An explicit mode is about copies, so it makes one.
  Result<void> share() {
    if (options_.mode != IoMode::Auto) return {};
    STKIT_ASSIGN(shared_, share_blocks(output_, segments_, options_, smallest_direct_block()));
    return {};
  }

  Result<void> write_tiles(const FillOptions& how) {
    const Sizes sizes = size_up(options_, totals_, direct_ != nullptr, how.block_bytes);
    buffer_bytes_ = sizes.buffer_bytes;
    const Tiling tiling(segments_, output_.size_bytes(), sizes.tile_bytes);
    std::vector<Worker> workers;
    workers.reserve(sizes.threads);
    for (unsigned i = 0; i < sizes.threads; ++i)
      workers.push_back({TileFiller(output_.calls(), segments_, options_, how), nullptr});
    return parallel_for(tiling.count(), sizes.threads, options_.run.cancel,
                        [&](size_t index, unsigned worker) {
                          return write_unshared(tiling.tile(index), workers[worker]);
                        });
  }

  // A tile but for those parts of it that are there already.
  Result<void> write_unshared(Tiling::Tile tile, Worker& worker) {
    auto next = std::ranges::upper_bound(shared_, tile.begin, {}, &FileRange::end);
    for (; tile.begin < tile.end && next != shared_.end() && next->begin < tile.end; ++next) {
      if (tile.begin < next->begin)
        STKIT_TRY(write({tile.begin, next->begin, tile.first_segment}, worker));
      tile.begin = std::min(next->end, tile.end);
    }
    return tile.begin < tile.end ? write(tile, worker) : Result<void>();
  }

  Result<void> write(const Tiling::Tile& tile, Worker& worker) {
    const size_t block = smallest_direct_block();
    if (worker.buffer == nullptr) worker.buffer = allocate_aligned(buffer_bytes_, block);
    // In memory as in the file, as far as blocks go.
    const size_t place = direct_ == nullptr ? 0 : static_cast<size_t>(tile.begin % block);
    const auto room = std::span(worker.buffer.get(), buffer_bytes_).subspan(place);
    STKIT_TRY(worker.filler.fill(tile.begin, tile.end, tile.first_segment, room));
    const auto data = room.first(static_cast<size_t>(tile.end - tile.begin));
    if (direct_ != nullptr) {
      STKIT_TRY(direct_->write(tile.begin, data));
    } else {
      STKIT_TRY(output_.write_at(tile.begin, data));
      STKIT_TRY(write_back_->add(data.size()));
    }
    advance(tile);
    return {};
  }

  // Once for neighbours of the same item: a tile may hold thousands of segments.
  void advance(const Tiling::Tile& tile) {
    if (options_.run.progress == nullptr) return;
    uint32_t item = Segment::kNoItem;
    uint64_t bytes = 0;
    const auto tell = [&] {
      if (item != Segment::kNoItem) options_.run.progress->advance(item, bytes);
      bytes = 0;
    };
    uint64_t begin = tile.begin;
    for (size_t i = tile.first_segment; begin < tile.end; ++i) {
      const Segment& segment = segments_[i];
      const uint64_t end = std::min(segment.offset_bytes + segment.size_bytes, tile.end);
      if (end <= begin) continue;
      if (segment.progress_item != item) {
        tell();
        item = segment.progress_item;
      }
      bytes += end - begin;
      begin = end;
    }
    tell();
  }

  AssemblyReport report() const {
    AssemblyReport report;
    for (const FileRange& range : shared_) report.shared_bytes += range.end - range.begin;
    report.copied_bytes = totals_.file_bytes - report.shared_bytes;
    report.produced_bytes = totals_.produced_bytes;
    const uint64_t written = output_.size_bytes() - report.shared_bytes;
    const bool is_direct = direct_ != nullptr && direct_->direct_bytes() > written / 2;
    report.mode = is_direct ? IoMode::Direct : IoMode::Buffered;
    return report;
  }

  AtomicOutput& output_;
  const std::span<const Segment> segments_;
  const AssemblyOptions& options_;
  const SegmentTotals totals_;
  std::vector<FileRange> shared_;
  std::unique_ptr<DirectOutput> direct_;  // null: through the page cache
  WriteBack* write_back_ = nullptr;
  size_t buffer_bytes_ = 0;
};

}  // namespace

std::span<const std::string_view> io_mode_names() { return kModeNames; }

Result<AssemblyReport> assemble(AtomicOutput& output, std::span<const Segment> segments,
                                const AssemblyOptions& options) {
  return Assembler(output, segments, options).run();
}

}  // namespace stkit
