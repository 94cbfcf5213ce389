// The metadata of a GGUF file while it is put together: keys in the order in which they came, each
// once, with storage of their own.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "formats/gguf_value.h"

namespace stkit::gguf_export {

class MetadataBuilder {
 public:
  explicit MetadataBuilder(std::string_view architecture) : architecture_(architecture) {}

  // "llama.rope.scaling.type" of "rope.scaling.type".
  std::string arch_key(std::string_view name) const {
    return architecture_ + "." + std::string(name);
  }

  // A key that is there already keeps its place and gets the value. REQUIRES: no string or array.
  void set(std::string_view key, const GgufValue& number);
  // Text and numbers are copied.
  void set_text(std::string_view key, std::string_view text);
  void set_texts(std::string_view key, std::span<const std::string_view> texts);
  void set_flags(std::string_view key, std::span<const uint8_t> flags);
  template <class T>
  void set_numbers(std::string_view key, std::span<const T> numbers) {
    put(key, gguf_array(storage_.copy(numbers)));
  }
  void remove(std::string_view key);

  bool has(std::string_view key) const { return find(entries_, key) != nullptr; }
  std::span<const GgufEntry> entries() const { return entries_; }
  // Storage that lives as long as the entries.
  Arena& storage() { return storage_; }

 private:
  void put(std::string_view key, const GgufValue& value);

  std::string architecture_;
  Arena storage_;
  std::vector<GgufEntry> entries_;
};

}  // namespace stkit::gguf_export
