// GGUF inputs made in code, sound and broken. Written apart from the library's own writer, so that
// the two check each other.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace stkit::test {

// Little-endian, as are the machines that this runs on.
template <class T>
  requires std::is_arithmetic_v<T>
std::string le(T value) {
  std::string bytes(sizeof(T), '\0');
  std::memcpy(bytes.data(), &value, sizeof(T));
  return bytes;
}
std::string gguf_string(std::string_view text);
std::string gguf_array(uint32_t element, uint64_t count, std::string_view elements);
std::string gguf_strings(const std::vector<std::string>& strings);

//   GgufBuilder().text("general.architecture", "llama").tensor("w", 0, {4, 2}, 32).bytes()
//
// Whatever is not said is as it should be. Dimensions are innermost first, as in the file.
class GgufBuilder {
 public:
  GgufBuilder& version(uint32_t version);
  // Of the header, instead of the true numbers.
  GgufBuilder& counts(uint64_t tensors, uint64_t keys);
  // Of the layout; the key is the caller's.
  GgufBuilder& alignment(uint64_t bytes);

  // `value` is what follows the type.
  GgufBuilder& entry(std::string_view key, uint32_t type, std::string_view value);
  GgufBuilder& u32(std::string_view key, uint32_t value) { return entry(key, 4, le(value)); }
  GgufBuilder& text(std::string_view key, std::string_view value) {
    return entry(key, 8, gguf_string(value));
  }
  GgufBuilder& strings(std::string_view key, const std::vector<std::string>& values) {
    return entry(key, 9, gguf_strings(values));
  }

  // With `size_bytes` of data behind the tensor before it, or at `offset`.
  GgufBuilder& tensor(std::string_view name, uint32_t type, const std::vector<uint64_t>& dimensions,
                      uint64_t size_bytes, std::optional<uint64_t> offset = {});
  GgufBuilder& tensor(std::string_view name, uint32_t type, const std::vector<uint64_t>& dimensions,
                      std::string data);
  // What all padding consists of instead of zeros.
  GgufBuilder& padding(char byte);

  std::string header() const;  // without padding
  std::string bytes() const;

 private:
  struct Data {
    uint64_t offset;
    std::string bytes;
  };
  GgufBuilder& add_info(std::string_view name, uint32_t type,
                        const std::vector<uint64_t>& dimensions, uint64_t offset, std::string data);
  uint64_t padded(uint64_t bytes) const {
    return (bytes + alignment_ - 1) / alignment_ * alignment_;
  }

  uint32_t version_ = 3;
  uint64_t alignment_ = 32;
  std::optional<uint64_t> tensor_count_, key_count_;
  uint64_t tensors_ = 0, keys_ = 0;
  std::string entries_, infos_;
  std::vector<Data> data_;
  uint64_t next_offset_ = 0;
  char padding_ = '\0';
};

}  // namespace stkit::test
