#include "support/pickle_builder.h"

namespace stkit::test {
namespace {

template <class T>
void put_number(std::string& out, T value) {
  for (size_t i = 0; i < sizeof(T); ++i)
    out += static_cast<char>(static_cast<uint64_t>(value) >> (8 * i) & 0xFF);
}

}  // namespace

PickleBuilder::PickleBuilder(unsigned protocol) {
  if (protocol >= 2) (bytes_ += '\x80') += static_cast<char>(protocol);
}

PickleBuilder& PickleBuilder::raw(std::string_view bytes) {
  bytes_ += bytes;
  return *this;
}

PickleBuilder& PickleBuilder::integer(int64_t value) {
  if (value >= 0 && value < 256) {
    (bytes_ += 'K') += static_cast<char>(value);
  } else {
    bytes_ += "\x8A\x08";
    put_number(bytes_, value);
  }
  return *this;
}

PickleBuilder& PickleBuilder::string(std::string_view text) {
  bytes_ += 'X';
  put_number(bytes_, static_cast<uint32_t>(text.size()));
  return raw(text);
}

PickleBuilder& PickleBuilder::global(std::string_view module, std::string_view name) {
  return raw("c").raw(module).raw("\n").raw(name).raw("\n");
}

PickleBuilder& PickleBuilder::integers(const std::vector<int64_t>& values) {
  mark();
  for (const int64_t value : values) integer(value);
  return tuple();
}

PickleBuilder& PickleBuilder::put(uint8_t index) {
  (bytes_ += 'q') += static_cast<char>(index);
  return *this;
}

PickleBuilder& PickleBuilder::get(uint8_t index) {
  (bytes_ += 'h') += static_cast<char>(index);
  return *this;
}

PickleBuilder& PickleBuilder::ordered_dict() {
  return global("collections", "OrderedDict").raw(")").call();
}

PickleBuilder& PickleBuilder::storage(std::string_view type, std::string_view key, int64_t count) {
  mark().string("storage").global("torch", std::string(type) + "Storage").string(key);
  return string("cpu").integer(count).tuple().raw("Q");
}

PickleBuilder& PickleBuilder::tensor(std::string_view type, std::string_view key, int64_t count,
                                     int64_t offset, const std::vector<int64_t>& shape,
                                     const std::vector<int64_t>& strides) {
  global("torch._utils", "_rebuild_tensor_v2").mark().storage(type, key, count).integer(offset);
  return integers(shape).integers(strides).boolean(false).ordered_dict().tuple().call();
}

}  // namespace stkit::test
