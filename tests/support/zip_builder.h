// Zip archives made in code, right or wrong in any field.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace stkit::test {

struct ZipItem {
  std::string name;
  std::string data;  // as stored
  uint16_t flags = 0;
  uint16_t method = 0;
  uint64_t size_bytes = UINT64_MAX;  // of the content; data.size() when not given
  uint32_t crc = 0;
  bool crc_given = false;
  uint16_t alignment = 0;       // of the data, by an extra field as torch writes it
  bool zip64 = false;           // sizes in extra fields, both here and there
  std::string local_name = {};  // when it differs
  int64_t header_shift = 0;
};

class ZipBuilder {
 public:
  ZipBuilder& add(std::string name, std::string data);
  ZipBuilder& add(ZipItem item);
  // Deflated by zlib's stored blocks: valid, if not small.
  ZipBuilder& add_deflated(std::string name, const std::string& data);
  ZipBuilder& zip64_end();
  std::string bytes() const;

 private:
  std::vector<ZipItem> items_;
  bool zip64_end_ = false;
};

uint32_t crc32(std::string_view data);

}  // namespace stkit::test
