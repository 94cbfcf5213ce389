#include "support/gguf_builder.h"

#include <algorithm>

namespace stkit::test {

std::string gguf_string(std::string_view text) {
  return le(uint64_t{text.size()}) + std::string(text);
}

std::string gguf_array(uint32_t element, uint64_t count, std::string_view elements) {
  return le(element) + le(count) + std::string(elements);
}

std::string gguf_strings(const std::vector<std::string>& strings) {
  std::string elements;
  for (const std::string& string : strings) elements += gguf_string(string);
  return gguf_array(8, strings.size(), elements);
}

GgufBuilder& GgufBuilder::version(uint32_t version) {
  version_ = version;
  return *this;
}

GgufBuilder& GgufBuilder::counts(uint64_t tensors, uint64_t keys) {
  tensor_count_ = tensors;
  key_count_ = keys;
  return *this;
}

GgufBuilder& GgufBuilder::alignment(uint64_t bytes) {
  alignment_ = bytes;
  return *this;
}

GgufBuilder& GgufBuilder::padding(char byte) {
  padding_ = byte;
  return *this;
}

GgufBuilder& GgufBuilder::entry(std::string_view key, uint32_t type, std::string_view value) {
  entries_ += gguf_string(key) + le(type) + std::string(value);
  ++keys_;
  return *this;
}

GgufBuilder& GgufBuilder::tensor(std::string_view name, uint32_t type,
                                 const std::vector<uint64_t>& dimensions, uint64_t size_bytes,
                                 std::optional<uint64_t> offset) {
  return add_info(name, type, dimensions, offset.value_or(next_offset_),
                  std::string(size_bytes, 'w'));
}

GgufBuilder& GgufBuilder::tensor(std::string_view name, uint32_t type,
                                 const std::vector<uint64_t>& dimensions, std::string data) {
  return add_info(name, type, dimensions, next_offset_, std::move(data));
}

GgufBuilder& GgufBuilder::add_info(std::string_view name, uint32_t type,
                                   const std::vector<uint64_t>& dimensions, uint64_t offset,
                                   std::string data) {
  infos_ += gguf_string(name) + le(static_cast<uint32_t>(dimensions.size()));
  for (const uint64_t dimension : dimensions) infos_ += le(dimension);
  infos_ += le(type) + le(offset);
  ++tensors_;
  next_offset_ = padded(offset + data.size());
  data_.push_back({offset, std::move(data)});
  return *this;
}

std::string GgufBuilder::header() const {
  return "GGUF" + le(version_) + le(tensor_count_.value_or(tensors_)) +
         le(key_count_.value_or(keys_)) + entries_ + infos_;
}

std::string GgufBuilder::bytes() const {
  std::string bytes = header();
  const uint64_t start = padded(bytes.size());
  uint64_t end = 0;
  for (const Data& data : data_) end = std::max(end, padded(data.offset + data.bytes.size()));
  bytes.resize(start + end, padding_);
  for (const Data& data : data_) bytes.replace(start + data.offset, data.bytes.size(), data.bytes);
  return bytes;
}

}  // namespace stkit::test
