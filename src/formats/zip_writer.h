// Plans zip archives of stored entries, byte for byte as PyTorch writes them, so that its own
// shortcuts to the data work:
//
//   local header, CRC and sizes 0 (flag 8: they follow)
//   extra fields: zip64 where the entry or its place needs it, then "FB" and as many 'Z' as bring
//   the data to a multiple of the alignment
//   data, data descriptor; ... central directory, zip64 end and locator (always), end
//
// The content of an entry may be written by others, later: its CRC-32 is then the only thing that
// is not known beforehand.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace stkit {

struct ZipPlan {
  struct Text {
    uint64_t offset_bytes;
    std::string bytes;
  };
  // Where the CRC-32 of an entry goes, little-endian; that of no bytes is there already.
  struct Sum {
    size_t entry;  // of those that others write, in the order in which they were added
    uint64_t offset_bytes;
  };
  std::vector<Text> texts;  // by offset; what lies between them is the content of entries
  std::vector<Sum> sums;    // by offset
  uint64_t file_bytes = 0;
};

class ZipPlanner {
 public:
  explicit ZipPlanner(uint64_t alignment) : alignment_(alignment) {}

  void add(std::string_view name, std::string_view content);
  // The offset of a content of `size_bytes` that is for others to write.
  uint64_t add(std::string_view name, uint64_t size_bytes);
  ZipPlan finish();

 private:
  struct Entry {
    std::string name;
    uint64_t header_offset;
    uint64_t size_bytes;
    uint32_t crc;
    bool is_written_later;
  };

  void begin(std::string_view name, uint64_t size_bytes, uint32_t crc, bool is_written_later);
  void end();
  uint64_t position() const { return text_offset_ + text_.size(); }
  void add_central_entry(const Entry& entry, size_t later);

  const uint64_t alignment_;
  ZipPlan plan_;
  std::vector<Entry> entries_;
  size_t written_later_ = 0;
  uint64_t text_offset_ = 0;  // of text_, which is not in the plan yet
  std::string text_;
};

}  // namespace stkit
