#include "support/zip_builder.h"

#include <algorithm>
#include <utility>

namespace stkit::test {
namespace {

template <class T>
void put(std::string& out, T value) {
  for (size_t i = 0; i < sizeof(T); ++i)
    out += static_cast<char>(static_cast<uint64_t>(value) >> (8 * i) & 0xFF);
}

std::string zip64_extra(std::initializer_list<uint64_t> fields) {
  std::string out;
  put<uint16_t>(out, 1);
  put(out, static_cast<uint16_t>(8 * fields.size()));
  for (const uint64_t field : fields) put(out, field);
  return out;
}

}  // namespace

uint32_t crc32(std::string_view data) {
  uint32_t crc = ~0u;
  for (const char byte : data) {
    crc ^= static_cast<unsigned char>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ ((crc & 1) != 0 ? 0xEDB88320u : 0);
  }
  return ~crc;
}

ZipBuilder& ZipBuilder::add(std::string name, std::string data) {
  return add(ZipItem{.name = std::move(name), .data = std::move(data)});
}

ZipBuilder& ZipBuilder::add(ZipItem item) {
  if (!item.crc_given) item.crc = crc32(item.data);
  if (item.size_bytes == UINT64_MAX) item.size_bytes = item.data.size();
  if (item.local_name.empty()) item.local_name = item.name;
  items_.push_back(std::move(item));
  return *this;
}

ZipBuilder& ZipBuilder::add_deflated(std::string name, const std::string& data) {
  std::string packed;
  for (size_t at = 0; at < data.size() || at == 0; at += 65535) {
    const std::string block = data.substr(at, 65535);
    packed += at + block.size() >= data.size() ? '\1' : '\0';
    put(packed, static_cast<uint16_t>(block.size()));
    put(packed, static_cast<uint16_t>(~block.size()));
    packed += block;
  }
  return add({.name = std::move(name),
              .data = std::move(packed),
              .method = 8,
              .size_bytes = data.size(),
              .crc = crc32(data),
              .crc_given = true});
}

ZipBuilder& ZipBuilder::zip64_end() {
  zip64_end_ = true;
  return *this;
}

std::string ZipBuilder::bytes() const {
  std::string out, central;
  for (const ZipItem& item : items_) {
    const uint64_t offset = out.size();
    const bool later = (item.flags & 8) != 0;
    const uint64_t stored = item.data.size();
    std::string extra = item.zip64 ? zip64_extra({item.size_bytes, stored}) : std::string();
    if (item.alignment > 0) {
      const size_t front = out.size() + 30 + item.local_name.size() + extra.size() + 4;
      const size_t padding = (item.alignment - front % item.alignment) % item.alignment;
      put<uint16_t>(extra, 0x4246);
      put(extra, static_cast<uint16_t>(padding));
      extra.append(padding, 'Z');
    }
    put<uint32_t>(out, 0x04034B50);
    put<uint16_t>(out, 0), put(out, item.flags), put(out, item.method), put<uint32_t>(out, 0);
    put<uint32_t>(out, later ? 0 : item.crc);
    put(out, item.zip64 ? ~0u : static_cast<uint32_t>(later ? 0 : stored));
    put(out, item.zip64 ? ~0u : static_cast<uint32_t>(later ? 0 : item.size_bytes));
    put(out, static_cast<uint16_t>(item.local_name.size()));
    put(out, static_cast<uint16_t>(extra.size()));
    out += item.local_name + extra + item.data;
    if (later) {
      put<uint32_t>(out, 0x08074B50), put(out, item.crc);
      put(out, static_cast<uint32_t>(stored)), put(out, static_cast<uint32_t>(item.size_bytes));
    }

    const uint64_t said = offset + static_cast<uint64_t>(item.header_shift);
    const std::string wide =
        item.zip64 ? zip64_extra({item.size_bytes, stored, said}) : std::string();
    put<uint32_t>(central, 0x02014B50);
    put<uint16_t>(central, 0), put<uint16_t>(central, 0), put(central, item.flags);
    put(central, item.method), put<uint32_t>(central, 0), put(central, item.crc);
    put(central, item.zip64 ? ~0u : static_cast<uint32_t>(stored));
    put(central, item.zip64 ? ~0u : static_cast<uint32_t>(item.size_bytes));
    put(central, static_cast<uint16_t>(item.name.size()));
    put(central, static_cast<uint16_t>(wide.size()));
    put<uint16_t>(central, 0), put<uint16_t>(central, 0), put<uint16_t>(central, 0);
    put<uint32_t>(central, 0);
    put(central, item.zip64 ? ~0u : static_cast<uint32_t>(said));
    central += item.name + wide;
  }
  const uint64_t directory = out.size();
  out += central;
  if (zip64_end_) {
    const uint64_t end = out.size();
    put<uint32_t>(out, 0x06064B50), put<uint64_t>(out, 44), put<uint32_t>(out, 0x002D031E);
    put<uint32_t>(out, 0), put<uint32_t>(out, 0);
    put<uint64_t>(out, items_.size()), put<uint64_t>(out, items_.size());
    put<uint64_t>(out, central.size()), put<uint64_t>(out, directory);
    put<uint32_t>(out, 0x07064B50), put<uint32_t>(out, 0), put(out, end), put<uint32_t>(out, 1);
  }
  put<uint32_t>(out, 0x06054B50), put<uint32_t>(out, 0);
  put(out, static_cast<uint16_t>(items_.size())), put(out, static_cast<uint16_t>(items_.size()));
  put(out, static_cast<uint32_t>(central.size())), put(out, static_cast<uint32_t>(directory));
  put<uint16_t>(out, 0);
  return out;
}

}  // namespace stkit::test
