#include "formats/inflated_entries.h"

#include <fmt/format.h>

#include <algorithm>
#include <list>
#include <mutex>
#include <utility>
#include <vector>

#include "base/parallel.h"
#include "formats/finding_log.h"
#include "formats/inflate.h"
#include "stkit/text.h"

namespace stkit {
namespace {

constexpr size_t kLeastStreams = 16;
constexpr size_t kSkipBytes = size_t{64} << 10;
// 258 bytes from 2 bits: the densest that deflate has, see zlib's technical notes.
constexpr uint64_t kMostInflation = 1032;

// An entry somewhere between its start and its end.
struct Stream {
  Stream(std::shared_ptr<const RandomAccessFile> file, const ZipEntry& entry)
      : archive(std::move(file)),
        header_offset(entry.header_offset),
        inflater(*archive, entry.data_offset, entry.stored_bytes) {}

  Result<void> read(std::span<std::byte> out) {
    STKIT_TRY(inflater.read(out));
    crc = crc32_of(out, crc);
    return {};
  }

  std::shared_ptr<const RandomAccessFile> archive;
  uint64_t header_offset;  // which entry it is of
  Inflater inflater;
  uint32_t crc = 0;  // of what was read
};

}  // namespace

class InflatedEntries::Streams {
 public:
  Streams(std::string label, OpenArchive open)
      : label_(std::move(label)),
        open_(std::move(open)),
        most_kept_(std::max<size_t>(kLeastStreams, size_t{2} * usable_cores())) {}

  const std::string& label() const { return label_; }

  Result<void> read(const ZipEntry& entry, std::string_view name, uint64_t offset,
                    std::span<std::byte> out) {
    if (out.empty()) return {};
    STKIT_ASSIGN(std::list<Stream> stream, take(entry, offset));
    Stream& s = stream.front();
    std::vector<std::byte> skipped;
    while (s.inflater.position() < offset) {
      skipped.resize(kSkipBytes);
      const uint64_t left = offset - s.inflater.position();
      STKIT_TRY(s.read(
          std::span(skipped).first(static_cast<size_t>(std::min<uint64_t>(left, skipped.size())))));
    }
    STKIT_TRY(s.read(out));
    if (s.inflater.position() < entry.size_bytes) {
      keep(std::move(stream));
      return {};
    }
    STKIT_TRY(s.inflater.expect_end());
    if (s.crc == entry.crc) return {};
    return fail(ErrorCode::Corrupt,
                fmt::format("entry {} has the CRC-32 {:#010x}, not the {:#010x} that it should",
                            quoted_name(name), s.crc, entry.crc),
                "the file is damaged; copy or download it again", label_);
  }

 private:
  // The one that has come furthest, but not past the offset; or a new one.
  Result<std::list<Stream>> take(const ZipEntry& entry, uint64_t offset) {
    std::list<Stream> taken;
    {
      const std::lock_guard lock(mutex_);
      auto best = kept_.end();
      for (auto i = kept_.begin(); i != kept_.end(); ++i)
        if (i->header_offset == entry.header_offset && i->inflater.position() <= offset &&
            (best == kept_.end() || i->inflater.position() > best->inflater.position()))
          best = i;
      if (best != kept_.end()) taken.splice(taken.begin(), kept_, best);
    }
    if (taken.empty()) {
      STKIT_ASSIGN(std::shared_ptr<const RandomAccessFile> archive, open_());
      taken.emplace_back(std::move(archive), entry);
    }
    return taken;
  }

  void keep(std::list<Stream> stream) {
    std::list<Stream> dropped;  // freed once the lock is
    const std::lock_guard lock(mutex_);
    kept_.splice(kept_.begin(), stream);
    if (kept_.size() > most_kept_) dropped.splice(dropped.begin(), kept_, std::prev(kept_.end()));
  }

  const std::string label_;
  const OpenArchive open_;
  const size_t most_kept_;
  std::mutex mutex_;
  std::list<Stream> kept_;  // the last used in front
};

class InflatedEntries::File final : public RandomAccessFile {
 public:
  File(std::shared_ptr<Streams> streams, const ZipEntry& entry)
      : streams_(std::move(streams)), name_(entry.name), entry_(entry) {
    entry_.name = {};  // belongs to a directory that may be gone
  }

  const std::string& label() const override { return streams_->label(); }
  uint64_t size_bytes() const override { return entry_.size_bytes; }

  Result<void> read_at(uint64_t offset_bytes, std::span<std::byte> out) const override {
    if (offset_bytes > entry_.size_bytes || out.size() > entry_.size_bytes - offset_bytes)
      return fail(ErrorCode::Corrupt,
                  fmt::format("entry {} ends at byte {}, but {} bytes from byte {} on are needed",
                              quoted_name(name_), format_grouped(entry_.size_bytes),
                              format_grouped(out.size()), format_grouped(offset_bytes)),
                  {}, label());
    return streams_->read(entry_, name_, offset_bytes, out);
  }

 private:
  const std::shared_ptr<Streams> streams_;
  const std::string name_;
  ZipEntry entry_;
};

InflatedEntries::InflatedEntries(std::string label, OpenArchive open)
    : streams_(std::make_shared<Streams>(std::move(label), std::move(open))) {}

std::shared_ptr<const RandomAccessFile> InflatedEntries::open(const ZipEntry& entry) const {
  return std::make_shared<File>(streams_, entry);
}

bool InflatedEntries::is_possible_size(const ZipEntry& entry) {
  return entry.size_bytes / kMostInflation <= entry.stored_bytes;
}

}  // namespace stkit
