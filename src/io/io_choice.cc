#include "io/io_choice.h"

#include <unistd.h>

#include <algorithm>

#include "io/direct_source.h"
#include "io/filesystem.h"

namespace stkit {
namespace {

// Smaller outputs gain nothing that anybody would notice.
constexpr uint64_t kSmallestDirect = uint64_t{64} << 20;
// The part of memory that one output may fill with its pages.
constexpr uint64_t kCacheShare = 4;

constexpr uint64_t kSamples = 64;
constexpr size_t kSamplePages = 16;

uint64_t physical_memory() {
  const long pages = ::sysconf(_SC_PHYS_PAGES);
  const long page = ::sysconf(_SC_PAGESIZE);
  return pages > 0 && page > 0 ? static_cast<uint64_t>(pages) * static_cast<uint64_t>(page) : 0;
}

// Adds up what samples of one file after the other say.
class CacheSampler {
 public:
  CacheSampler(SystemCalls& calls, const AssemblyOptions& options)
      : calls_(calls), options_(options) {}

  Result<void> look(uint32_t file, uint64_t offset) {
    if (source_ == nullptr || file != file_) {
      STKIT_ASSIGN(source_, options_.open_file(file));
      file_ = file;
    }
    if (source_->descriptor() < 0) return {};
    const uint64_t begin = offset - offset % smallest_direct_block();
    if (begin >= source_->size_bytes()) return {};
    const auto size = static_cast<size_t>(
        std::min<uint64_t>(kSamplePages * smallest_direct_block(), source_->size_bytes() - begin));
    const ssize_t cached =
        calls_.cached_bytes(source_->descriptor(), static_cast<off_t>(begin), size);
    if (cached < 0) return {};
    seen_ += size;
    cached_ += static_cast<uint64_t>(cached);
    return {};
  }

  IoFacts::Cached verdict() const {
    if (seen_ == 0) return IoFacts::Cached::Unknown;
    return cached_ >= seen_ / 2 ? IoFacts::Cached::Mostly : IoFacts::Cached::Hardly;
  }

 private:
  SystemCalls& calls_;
  const AssemblyOptions& options_;
  std::shared_ptr<const RandomAccessFile> source_;
  uint32_t file_ = 0;
  uint64_t seen_ = 0, cached_ = 0;
};

}  // namespace

// What is to be on the disk in the end goes there at once. Measured, cold sources and a synced
// output: past the cache it takes the time of the disk (1.2 to 1.6 s for 1 GiB, 0.1 s of a core)
// whatever else the machine does; through the cache 1.0 s at best, with idle cores and pages at
// hand, and 4 to 6 s on a busy machine. Early write-back does not change that.
IoChoice choose_io(IoMode mode, const IoFacts& facts) {
  IoChoice choice;
  const bool fills_memory =
      facts.memory_bytes > 0 && facts.output_bytes > facts.memory_bytes / kCacheShare;
  if (mode == IoMode::Direct) {
    choice.direct_read = choice.direct_write = true;
  } else if (mode == IoMode::Auto && facts.on_local_disk && facts.output_bytes >= kSmallestDirect) {
    choice.direct_write = fills_memory || facts.synced;
    choice.direct_read = choice.direct_write && facts.sources != IoFacts::Cached::Mostly;
  }
  // Also where writing past the cache was chosen: the filesystem may refuse it.
  if (fills_memory)
    choice.write_back = WriteBack::Kind::Drop;
  else if (facts.synced)
    choice.write_back = WriteBack::Kind::Early;
  choice.drop_sources = fills_memory;
  return choice;
}

Result<IoFacts::Cached> sample_page_cache(SystemCalls& calls, std::span<const Segment> segments,
                                          uint64_t file_bytes, const AssemblyOptions& options) {
  CacheSampler sampler(calls, options);
  const uint64_t step = std::max<uint64_t>(file_bytes / kSamples, 1);
  uint64_t next = step / 2;  // counted over the bytes of files alone
  uint64_t before = 0;
  for (const Segment& segment : segments) {
    const auto* copy = std::get_if<Segment::FileBytes>(&segment.content);
    if (copy == nullptr) continue;
    for (; next < before + segment.size_bytes; next += step)
      STKIT_TRY(sampler.look(copy->file, copy->offset_bytes + (next - before)));
    before += segment.size_bytes;
  }
  return sampler.verdict();
}

Result<IoFacts> look_at_io(AtomicOutput& output, std::span<const Segment> segments,
                           uint64_t file_bytes, const AssemblyOptions& options) {
  IoFacts facts;
  facts.output_bytes = output.size_bytes();
  facts.memory_bytes = physical_memory();
  facts.synced = output.is_synced();
  facts.on_local_disk =
      is_on_local_filesystem(output.descriptor()) && !is_on_memory_filesystem(output.descriptor());
  if (options.mode == IoMode::Auto && facts.output_bytes >= kSmallestDirect) {
    STKIT_ASSIGN(facts.sources, sample_page_cache(output.calls(), segments, file_bytes, options));
  }
  return facts;
}

}  // namespace stkit
