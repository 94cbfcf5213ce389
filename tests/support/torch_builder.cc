#include "support/torch_builder.h"

namespace stkit::test {

TorchBuilder& TorchBuilder::storage(std::string key, std::string bytes) {
  storages_.emplace_back(std::move(key), std::move(bytes));
  return *this;
}

TorchBuilder& TorchBuilder::tensor(std::string_view name, std::string_view type,
                                   std::string_view key, int64_t count, int64_t offset,
                                   const std::vector<int64_t>& shape,
                                   const std::vector<int64_t>& strides) {
  const std::string built =
      PickleBuilder(0).tensor(type, key, count, offset, shape, strides).bytes();
  return value(name, built.substr(0, built.size() - 1));
}

TorchBuilder& TorchBuilder::value(std::string_view name, std::string_view instructions) {
  const std::string key = PickleBuilder(0).string(name).bytes();
  entries_ += key.substr(0, key.size() - 1);
  entries_ += instructions;
  return *this;
}

TorchBuilder& TorchBuilder::big_endian() {
  big_endian_ = true;
  return *this;
}

TorchBuilder& TorchBuilder::object(std::string pickle) {
  object_ = std::move(pickle);
  return *this;
}

std::string TorchBuilder::pickle() const {
  if (!object_.empty()) return object_;
  return PickleBuilder().ordered_dict().mark().raw(entries_).set_items().bytes();
}

ZipBuilder TorchBuilder::archive() const {
  ZipBuilder zip;
  const auto add = [&](std::string name, std::string data) {
    zip.add({.name = "model/" + std::move(name),
             .data = std::move(data),
             .flags = 0x808,
             .alignment = 64});
  };
  add("data.pkl", pickle());
  if (big_endian_) add("byteorder", "big");
  for (const auto& [key, bytes] : storages_) add("data/" + key, bytes);
  add("version", "3\n");
  zip.zip64_end();
  return zip;
}

std::string TorchBuilder::legacy(size_t item_bytes) const {
  std::string out = "\x80\x02\x8A\x0A\x6C\xFC\x9C\x46\xF9\x20\x6A\xA8\x50\x19.";
  out += PickleBuilder().integer(1001).bytes();
  out += PickleBuilder()
             .dict()
             .mark()
             .string("protocol_version")
             .integer(1001)
             .string("little_endian")
             .boolean(!big_endian_)
             .set_items()
             .bytes();
  out += pickle();
  PickleBuilder keys;
  keys.raw("](");
  for (const auto& [key, bytes] : storages_) keys.string(key);
  out += keys.raw("e").bytes();
  for (const auto& [key, bytes] : storages_) {
    const uint64_t count = bytes.size() / item_bytes;
    for (int shift = 0; shift < 64; shift += 8) out += static_cast<char>(count >> shift & 0xFF);
    out += bytes;
  }
  return out;
}

}  // namespace stkit::test
