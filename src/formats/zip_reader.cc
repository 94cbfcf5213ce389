#include "formats/zip_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "base/byte_reader.h"
#include "base/checked_math.h"
#include "formats/finding_log.h"
#include "formats/inflate.h"
#include "formats/safetensors_reader.h"
#include "stkit/text.h"

namespace stkit {
namespace {

constexpr uint32_t kEndSignature = 0x06054B50;
constexpr uint32_t kZip64EndSignature = 0x06064B50;
constexpr uint32_t kZip64LocatorSignature = 0x07064B50;
constexpr uint32_t kCentralSignature = 0x02014B50;
constexpr uint32_t kLocalSignature = 0x04034B50;

constexpr uint64_t kEndBytes = 22;
constexpr uint64_t kZip64EndBytes = 56;
constexpr uint64_t kZip64LocatorBytes = 20;
constexpr uint64_t kCentralBytes = 46;
constexpr uint64_t kLocalBytes = 30;
constexpr uint64_t kMaxCommentBytes = 65'535;

constexpr uint16_t kZip64Extra = 0x0001;
constexpr uint32_t kIn64Bits = 0xFFFFFFFF;  // the true value is in the zip64 extra
constexpr uint64_t kMaxEntries = 1'000'000;
constexpr uint64_t kMaxNameBytes = 4096;

// Encrypted, patched, strongly encrypted, masked: what the bytes stand for is not what they are.
constexpr uint16_t kUnreadableFlags = 0x0001 | 0x0020 | 0x0040 | 0x2000;
// Pickles shrink to a tenth. What grows a thousandfold is made to fill the memory.
constexpr uint64_t kMaxInflatedBytes = uint64_t{16} << 20;
constexpr uint64_t kMaxInflation = 100;
constexpr uint16_t kDescriptorFlag = 0x0008;  // sizes follow the data

struct EndOfDirectory {
  uint64_t entries = 0;
  uint64_t directory_bytes = 0;
  uint64_t directory_offset = 0;
  uint64_t offset = 0;  // of the first of the end records
};

// A field of 16 or 32 bits that zip64 may have moved elsewhere.
template <class Narrow>
bool agrees(Narrow field, uint64_t value) {
  return field == static_cast<Narrow>(~Narrow{0}) || field == value;
}

// The sizes and the offset that do not fit their 32 bits, in the order in which they are there.
class Zip64Fields {
 public:
  explicit Zip64Fields(std::span<const std::byte> extra) : fields_({}) {
    ByteReader in(extra);
    while (in.ok() && in.remaining() >= 4) {
      const uint16_t id = in.u16();
      const auto body = in.bytes(in.u16());
      if (id == kZip64Extra) {
        fields_ = ByteReader(body);
        return;
      }
    }
  }
  // Zero where it is missing: ok() then tells.
  uint64_t wide(uint32_t field) { return field == kIn64Bits ? fields_.u64() : field; }
  bool ok() const { return fields_.ok(); }

 private:
  ByteReader fields_;
};

class DirectoryReader {
 public:
  DirectoryReader(const RandomAccessFile& file, uint64_t max_directory_bytes)
      : file_(file), max_bytes_(max_directory_bytes), log_(file.label(), kMaxFindingsOfAKind) {}

  Result<ZipDirectory> read() {
    EndOfDirectory end;
    STKIT_TRY(find_end(end));
    if (!failed_) STKIT_TRY(read_central(end));
    if (!failed_) STKIT_TRY(check_local_headers());
    if (!failed_) check_names();
    directory_.findings = log_.take();
    return std::move(directory_);
  }

 private:
  template <class... Args>
  void bad(fmt::format_string<Args...> text, Args&&... args) {
    report(Check::BadZip, fmt::format(text, std::forward<Args>(args)...));
  }
  void report(Check check, std::string message) {
    failed_ = true;
    log_.add(check, {}, [&] { return std::move(message); });
  }

  Result<std::span<const std::byte>> load(uint64_t offset, uint64_t bytes,
                                          std::vector<std::byte>& buffer) {
    buffer.resize(static_cast<size_t>(bytes));
    STKIT_TRY(file_.read_at(offset, buffer));
    return std::span<const std::byte>(buffer);
  }

  // The end record lies so that its comment fills the rest of the file.
  Result<void> find_end(EndOfDirectory& end) {
    const uint64_t size = file_.size_bytes();
    if (size < kEndBytes) {
      bad("the file of {} bytes is too small for a zip archive", size);
      return {};
    }
    std::vector<std::byte> tail;
    const uint64_t tail_bytes = std::min(size, kEndBytes + kMaxCommentBytes);
    STKIT_TRY(load(size - tail_bytes, tail_bytes, tail));
    std::optional<uint64_t> found;
    for (size_t at = tail.size() - kEndBytes + 1; at-- > 0;) {
      ByteReader in(std::span<const std::byte>(tail).subspan(at));
      if (in.u32() != kEndSignature) continue;
      in.skip(kEndBytes - 6);
      if (in.u16() != in.remaining()) continue;
      if (found) {
        bad("the archive has two ends, at bytes {} and {}", format_grouped(size - tail_bytes + at),
            format_grouped(*found));
        return {};
      }
      found = size - tail_bytes + at;
    }
    if (!found) {
      bad("the directory at the end of the zip archive is missing: the file of {} bytes is "
          "truncated",
          format_grouped(size));
      return {};
    }
    end.offset = *found;
    ByteReader in(std::span<const std::byte>(tail).subspan(
        static_cast<size_t>(*found - (size - tail_bytes))));
    return parse_end(in, end);
  }

  Result<void> parse_end(ByteReader& in, EndOfDirectory& end) {
    in.skip(4);
    const uint16_t disk = in.u16(), directory_disk = in.u16();
    const uint16_t entries_here = in.u16(), entries = in.u16();
    const uint32_t bytes = in.u32(), offset = in.u32();
    const uint64_t end_offset = end.offset;
    end = {entries, bytes, offset, end_offset};
    const bool needs_zip64 = entries == 0xFFFF || bytes == kIn64Bits || offset == kIn64Bits;
    bool has_zip64 = false;
    if (end_offset >= kZip64LocatorBytes + kZip64EndBytes) STKIT_TRY(read_zip64(end, has_zip64));
    if (failed_) return {};
    if (needs_zip64 && !has_zip64) bad("the archive's zip64 directory is missing");
    if (!agrees(entries, end.entries) || !agrees(bytes, end.directory_bytes) ||
        !agrees(offset, end.directory_offset))
      bad("the two ends of the archive's directory contradict each other");
    if (!(disk == 0 || disk == 0xFFFF) || !(directory_disk == 0 || directory_disk == 0xFFFF) ||
        entries_here != entries)
      report(Check::UnsupportedZip, "the archive is one volume of several");
    return {};
  }

  Result<void> read_zip64(EndOfDirectory& end, bool& found) {
    std::vector<std::byte> buffer;
    const uint64_t locator = end.offset - kZip64LocatorBytes;
    STKIT_TRY(load(locator, kZip64LocatorBytes, buffer));
    ByteReader in(buffer);
    if (in.u32() != kZip64LocatorSignature) return {};
    found = true;
    const uint32_t disk = in.u32();
    const uint64_t record = in.u64();
    if (disk != 0 || in.u32() > 1) {
      report(Check::UnsupportedZip, "the archive is one volume of several");
      return {};
    }
    if (record > locator || locator - record < kZip64EndBytes) {
      bad("the zip64 end is said to be at byte {}, behind its locator at byte {}",
          format_grouped(record), format_grouped(locator));
      return {};
    }
    STKIT_TRY(load(record, kZip64EndBytes, buffer));
    ByteReader zip64(buffer);
    const uint32_t signature = zip64.u32();
    const uint64_t rest = zip64.u64();
    zip64.skip(2 + 2 + 4 + 4);
    const uint64_t entries_here = zip64.u64();
    const uint64_t entries = zip64.u64(), bytes = zip64.u64(), offset = zip64.u64();
    if (signature != kZip64EndSignature || rest != locator - record - 12) {
      bad("the zip64 end at byte {} is damaged", format_grouped(record));
      return {};
    }
    if (entries_here != entries) report(Check::UnsupportedZip, "the archive has several volumes");
    end = {entries, bytes, offset, record};
    return {};
  }

  Result<void> read_central(const EndOfDirectory& end) {
    const auto directory_end = checked_add(end.directory_offset, end.directory_bytes);
    if (!directory_end || *directory_end != end.offset) {
      bad("the directory should lie at byte {} and take {} bytes, but its end is at byte {}",
          format_grouped(end.directory_offset), format_grouped(end.directory_bytes),
          format_grouped(end.offset));
      return {};
    }
    if (end.entries > kMaxEntries || end.entries > end.directory_bytes / kCentralBytes) {
      bad("a directory of {} bytes cannot hold {} entries", format_grouped(end.directory_bytes),
          format_grouped(end.entries));
      return {};
    }
    if (end.directory_bytes > max_bytes_) {
      report(Check::PickleTooLarge,
             fmt::format("the directory takes {} bytes, the limit is {}",
                         format_grouped(end.directory_bytes), format_grouped(max_bytes_)));
      return {};
    }
    directory_.data_end = end.directory_offset;
    std::vector<std::byte> buffer;
    STKIT_ASSIGN(const auto bytes, load(end.directory_offset, end.directory_bytes, buffer));
    ByteReader in(bytes);
    directory_.entries.reserve(static_cast<size_t>(end.entries));
    for (uint64_t i = 0; i < end.entries && !failed_; ++i) read_central_entry(in);
    if (!failed_ && in.remaining() != 0)
      bad("{} bytes of the directory belong to no entry", format_grouped(in.remaining()));
    return {};
  }

  void read_central_entry(ByteReader& in) {
    const uint32_t signature = in.u32();
    in.skip(2 + 2);  // versions
    const uint16_t flags = in.u16(), method = in.u16();
    in.skip(2 + 2);  // time
    ZipEntry entry;
    entry.crc = in.u32();
    const uint32_t stored = in.u32(), size = in.u32();
    const uint16_t name_bytes = in.u16(), extra_bytes = in.u16(), comment_bytes = in.u16();
    in.skip(2 + 2 + 4);  // disk, attributes
    const uint32_t offset = in.u32();
    const std::string_view name = in.text(name_bytes);
    Zip64Fields zip64(in.bytes(extra_bytes));
    in.skip(comment_bytes);
    if (!in.ok() || signature != kCentralSignature) {
      bad("entry {} of the directory is damaged", directory_.entries.size());
      return;
    }
    if (name.empty() || name.size() > kMaxNameBytes) {
      bad("an entry has a name of {} bytes", name.size());
      return;
    }
    // In this order, each only when its field has no room for it.
    entry.size_bytes = zip64.wide(size);
    entry.stored_bytes = zip64.wide(stored);
    entry.header_offset = zip64.wide(offset);
    entry.name = directory_.storage.copy(name);
    if (!zip64.ok()) bad("entry {} lacks its zip64 sizes", quoted_name(entry.name));
    if ((flags & kUnreadableFlags) != 0) {
      report(Check::UnsupportedZip, fmt::format("entry {} is encrypted or patched (flags {:#06x})",
                                                quoted_name(entry.name), flags));
    } else if (method != 0 && method != 8) {
      report(Check::UnsupportedZip,
             fmt::format("entry {} is compressed by method {}", quoted_name(entry.name), method));
    }
    entry.method = static_cast<ZipMethod>(method);
    if (entry.method == ZipMethod::Stored && entry.stored_bytes != entry.size_bytes)
      bad("stored entry {} takes {} bytes for a content of {}", quoted_name(entry.name),
          format_grouped(entry.stored_bytes), format_grouped(entry.size_bytes));
    directory_.entries.push_back(entry);
    flags_.push_back(flags);
  }

  // Also places the data, and sees to it that no two entries have a byte in common.
  Result<void> check_local_headers() {
    std::vector<uint32_t> order(directory_.entries.size());
    for (uint32_t i = 0; i < order.size(); ++i) order[i] = i;
    std::ranges::sort(order, {}, [&](uint32_t i) { return directory_.entries[i].header_offset; });
    uint64_t covered = 0;
    for (const uint32_t i : order) {
      ZipEntry& entry = directory_.entries[i];
      if (entry.header_offset < covered) {
        bad("entry {} at byte {} overlaps the one before it, which ends at byte {}",
            quoted_name(entry.name), format_grouped(entry.header_offset), format_grouped(covered));
        continue;
      }
      const uint64_t room = directory_.data_end;
      if (entry.header_offset > room || room - entry.header_offset < kLocalBytes) {
        bad("entry {} is said to be at byte {}, but the directory starts at byte {}",
            quoted_name(entry.name), format_grouped(entry.header_offset), format_grouped(room));
        continue;
      }
      STKIT_TRY(check_local_header(entry, flags_[i]));
      covered = entry.data_offset + entry.stored_bytes;
    }
    return {};
  }

  Result<void> check_local_header(ZipEntry& entry, uint16_t flags) {
    const uint64_t room = directory_.data_end - entry.header_offset;
    const uint64_t named_bytes = std::min(room, kLocalBytes + entry.name.size());
    STKIT_ASSIGN(const auto bytes, load(entry.header_offset, named_bytes, scratch_));
    ByteReader in(bytes);
    const uint32_t signature = in.u32();
    in.skip(2);
    const uint16_t local_flags = in.u16(), method = in.u16();
    in.skip(2 + 2);
    const uint32_t crc = in.u32(), stored = in.u32(), size = in.u32();
    const uint16_t name_bytes = in.u16(), extra_bytes = in.u16();
    const std::string_view name = in.text(name_bytes);
    if (signature != kLocalSignature || !in.ok() || name != entry.name) {
      bad("the directory has entry {} at byte {}, but the header there is another's",
          quoted_name(entry.name), format_grouped(entry.header_offset));
      return {};
    }
    const uint64_t front = kLocalBytes + name_bytes + extra_bytes;
    if (front > room || entry.stored_bytes > room - front) {
      bad("entry {} ends at byte {}, but the directory starts at byte {}", quoted_name(entry.name),
          format_grouped(
              checked_add(entry.header_offset + front, entry.stored_bytes).value_or(UINT64_MAX)),
          format_grouped(directory_.data_end));
      return {};
    }
    entry.data_offset = entry.header_offset + front;

    uint64_t local_stored = stored, local_size = size;
    if (stored == kIn64Bits || size == kIn64Bits) {
      const uint64_t extra_offset = entry.header_offset + kLocalBytes + name_bytes;
      STKIT_ASSIGN(const auto extra, load(extra_offset, extra_bytes, scratch_));
      Zip64Fields zip64(extra);
      local_size = zip64.wide(size);
      local_stored = zip64.wide(stored);
      if (!zip64.ok()) bad("entry at byte {} lacks its zip64 sizes", entry.header_offset);
    }
    const bool later = (local_flags & kDescriptorFlag) != 0;
    const auto same = [&](uint64_t local, uint64_t central) {
      return local == central || (later && local == 0);
    };
    if (local_flags != flags || method != static_cast<uint16_t>(entry.method) ||
        !same(crc, entry.crc) || !same(local_stored, entry.stored_bytes) ||
        !same(local_size, entry.size_bytes))
      bad("the directory and the header of entry {} contradict each other (flags {:#x} and {:#x}, "
          "method {} and {}, size {} and {})",
          quoted_name(entry.name), flags, local_flags, static_cast<uint16_t>(entry.method), method,
          format_grouped(entry.size_bytes), format_grouped(local_size));
    return {};
  }

  // Nothing is ever unpacked to a path, but who writes such names wants to harm those who do.
  void check_names() {
    std::ranges::sort(directory_.entries, {}, &ZipEntry::name);
    for (size_t i = 0; i < directory_.entries.size(); ++i) {
      const std::string_view name = directory_.entries[i].name;
      const bool climbs = name.starts_with('/') || name == ".." || name.starts_with("../") ||
                          name.ends_with("/..") || name.find("/../") != std::string_view::npos ||
                          name.find('\\') != std::string_view::npos ||
                          name.find('\0') != std::string_view::npos;
      if (climbs) bad("entry {} has a name that leads out of a folder", quoted_name(name));
      if (i > 0 && name == directory_.entries[i - 1].name)
        bad("entry {} occurs more than once", quoted_name(name));
    }
  }

  const RandomAccessFile& file_;
  const uint64_t max_bytes_;
  FindingLog log_;
  bool failed_ = false;
  ZipDirectory directory_;
  std::vector<uint16_t> flags_;  // by entry, before they are sorted
  std::vector<std::byte> scratch_;
};

}  // namespace

const ZipEntry* ZipDirectory::find(std::string_view name) const {
  const auto found = std::ranges::lower_bound(entries, name, {}, &ZipEntry::name);
  return found != entries.end() && found->name == name ? &*found : nullptr;
}

Result<ZipDirectory> read_zip_directory(const RandomAccessFile& file,
                                        uint64_t max_directory_bytes) {
  return DirectoryReader(file, max_directory_bytes).read();
}

Result<ZipContent> read_zip_entry(const RandomAccessFile& file, const ZipEntry& entry,
                                  uint64_t max_bytes) {
  if (entry.method == ZipMethod::Deflated)
    max_bytes = std::min(max_bytes, kMaxInflatedBytes + kMaxInflation * entry.stored_bytes);
  if (entry.size_bytes > max_bytes)
    return fail(ErrorCode::Corrupt,
                fmt::format("entry {} takes {} bytes, the limit is {}", quoted_name(entry.name),
                            format_grouped(entry.size_bytes), format_grouped(max_bytes)),
                "if the file is trusted, raise the limit with --max-header", file.label());
  ZipContent content;
  content.bytes.resize(static_cast<size_t>(entry.size_bytes));
  if (entry.method == ZipMethod::Stored) {
    STKIT_TRY(file.read_at(entry.data_offset, content.bytes));
  } else {
    Inflater inflater(file, entry.data_offset, entry.stored_bytes);
    STKIT_TRY(inflater.read(content.bytes));
    STKIT_TRY(inflater.expect_end());
  }
  content.crc_matches = crc32_of(content.bytes) == entry.crc;
  return content;
}

}  // namespace stkit
