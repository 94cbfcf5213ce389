#include "formats/zip_writer.h"

#include <algorithm>
#include <limits>
#include <span>
#include <utility>

#include "formats/inflate.h"

namespace stkit {
namespace {

constexpr uint32_t kIn64Bits = 0xFFFFFFFF;
constexpr uint16_t kUtf8Flag = 0x0800;
constexpr uint16_t kDescriptorFlag = 0x0008;
constexpr uint64_t kLocalBytes = 30;
constexpr uint16_t kZip64Extra = 0x0001;
constexpr uint16_t kMadeBy = 0x031E;  // Unix, 3.0
constexpr uint16_t kNeedsZip64 = 45;

template <class T>
void put(std::string& out, T value) {
  for (size_t i = 0; i < sizeof(T); ++i)
    out += static_cast<char>(static_cast<uint64_t>(value) >> (8 * i) & 0xFF);
}

bool is_wide(uint64_t value) { return value >= kIn64Bits; }
uint32_t narrow(uint64_t value) {
  return is_wide(value) ? kIn64Bits : static_cast<uint32_t>(value);
}

// The size twice, for nothing is compressed, and the offset: each where its field has no room.
std::string zip64_extra(uint64_t size_bytes, uint64_t header_offset) {
  std::string fields;
  if (is_wide(size_bytes)) {
    put(fields, size_bytes);
    put(fields, size_bytes);
  }
  if (is_wide(header_offset)) put(fields, header_offset);
  if (fields.empty()) return {};
  std::string extra;
  put(extra, kZip64Extra);
  put(extra, static_cast<uint16_t>(fields.size()));
  return extra + fields;
}

// Nothing follows an entry without content.
uint16_t flags_of(uint64_t size_bytes) {
  return static_cast<uint16_t>(kUtf8Flag | (size_bytes > 0 ? kDescriptorFlag : 0));
}

void put_times_and_crc(std::string& out, uint32_t crc) {
  put<uint32_t>(out, 0);  // 1980, so that the same content is the same bytes
  put(out, crc);
}

}  // namespace

void ZipPlanner::begin(std::string_view name, uint64_t size_bytes, uint32_t crc,
                       bool is_written_later) {
  const uint64_t header_offset = position();
  entries_.push_back({std::string(name), header_offset, size_bytes, crc, is_written_later});
  std::string extra = zip64_extra(size_bytes, header_offset);
  const uint64_t padding_from = header_offset + kLocalBytes + name.size() + extra.size() + 4;
  const uint64_t padding = (alignment_ - padding_from % alignment_) % alignment_;
  extra += "FB";
  put(extra, static_cast<uint16_t>(padding));
  extra.append(static_cast<size_t>(padding), 'Z');

  text_ += "PK\x03\x04";
  put<uint16_t>(text_, 0);  // version
  put(text_, flags_of(size_bytes));
  put<uint16_t>(text_, 0);  // stored
  put_times_and_crc(text_, 0);
  put<uint64_t>(text_, 0);  // both sizes
  put(text_, static_cast<uint16_t>(name.size()));
  put(text_, static_cast<uint16_t>(extra.size()));
  text_ += name;
  text_ += extra;
}

void ZipPlanner::end() {
  const Entry& entry = entries_.back();
  if (entry.size_bytes == 0) return;
  text_ += "PK\x07\x08";
  if (entry.is_written_later) plan_.sums.push_back({written_later_ - 1, position()});
  put(text_, entry.crc);
  // As wide as the extra field of the header says.
  if (is_wide(entry.size_bytes) || is_wide(entry.header_offset)) {
    put(text_, entry.size_bytes);
    put(text_, entry.size_bytes);
  } else {
    put(text_, static_cast<uint32_t>(entry.size_bytes));
    put(text_, static_cast<uint32_t>(entry.size_bytes));
  }
}

void ZipPlanner::add(std::string_view name, std::string_view content) {
  begin(name, content.size(), crc32_of(std::as_bytes(std::span(content))), false);
  text_ += content;
  end();
}

uint64_t ZipPlanner::add(std::string_view name, uint64_t size_bytes) {
  begin(name, size_bytes, 0, true);
  ++written_later_;
  const uint64_t place = position();
  if (size_bytes > 0) {
    plan_.texts.push_back({text_offset_, std::move(text_)});
    text_offset_ = place + size_bytes;
    text_.clear();
  }
  end();
  return place;
}

void ZipPlanner::add_central_entry(const Entry& entry, size_t later) {
  const std::string extra = zip64_extra(entry.size_bytes, entry.header_offset);
  text_ += "PK\x01\x02";
  put<uint32_t>(text_, 0);  // versions
  put(text_, flags_of(entry.size_bytes));
  put<uint16_t>(text_, 0);  // stored
  if (entry.is_written_later && entry.size_bytes > 0) plan_.sums.push_back({later, position() + 4});
  put_times_and_crc(text_, entry.crc);
  put(text_, narrow(entry.size_bytes));
  put(text_, narrow(entry.size_bytes));
  put(text_, static_cast<uint16_t>(entry.name.size()));
  put(text_, static_cast<uint16_t>(extra.size()));
  put<uint64_t>(text_, 0);  // comment, disk, internal attributes
  put<uint16_t>(text_, 0);  // external ones
  put(text_, narrow(entry.header_offset));
  text_ += entry.name;
  text_ += extra;
}

ZipPlan ZipPlanner::finish() {
  const uint64_t directory = position();
  size_t later = 0;
  for (const Entry& entry : entries_) {
    add_central_entry(entry, later);
    later += entry.is_written_later;
  }
  const uint64_t directory_end = position(), directory_bytes = directory_end - directory;
  const uint64_t count = entries_.size();

  text_ += "PK\x06\x06";
  put<uint64_t>(text_, 44);  // what follows of this record
  put(text_, kMadeBy);
  put(text_, kNeedsZip64);
  put<uint64_t>(text_, 0);  // disks
  put(text_, count);
  put(text_, count);
  put(text_, directory_bytes);
  put(text_, directory);
  text_ += "PK\x06\x07";
  put<uint32_t>(text_, 0);
  put(text_, directory_end);
  put<uint32_t>(text_, 1);
  text_ += "PK\x05\x06";
  put<uint32_t>(text_, 0);
  const auto short_count =
      static_cast<uint16_t>(std::min<uint64_t>(count, std::numeric_limits<uint16_t>::max()));
  put(text_, short_count);
  put(text_, short_count);
  put(text_, narrow(directory_bytes));
  put(text_, narrow(directory));
  put<uint16_t>(text_, 0);  // comment

  plan_.file_bytes = position();
  plan_.texts.push_back({text_offset_, std::move(text_)});
  return std::move(plan_);
}

}  // namespace stkit
