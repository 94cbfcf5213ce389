// PyTorch checkpoints made in code, without Python.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/pickle_builder.h"
#include "support/zip_builder.h"

namespace stkit::test {

//   TorchBuilder().storage("0", "...24 bytes...").tensor("w", "Float", "0", 6, 0, {2, 3}, {3, 1})
class TorchBuilder {
 public:
  // The bytes of a storage, in the order in which legacy files keep them.
  TorchBuilder& storage(std::string key, std::string bytes);
  // An entry of the dict that the checkpoint is; see PickleBuilder::tensor.
  TorchBuilder& tensor(std::string_view name, std::string_view type, std::string_view key,
                       int64_t count, int64_t offset, const std::vector<int64_t>& shape,
                       const std::vector<int64_t>& strides);
  // Any other object, as instructions that leave one value.
  TorchBuilder& value(std::string_view name, std::string_view instructions);
  TorchBuilder& big_endian();
  // Instead of the dict.
  TorchBuilder& object(std::string pickle);

  std::string pickle() const;
  std::string zip() const { return archive().bytes(); }
  ZipBuilder archive() const;
  // `item_bytes` of each storage, which legacy files count in elements.
  std::string legacy(size_t item_bytes) const;

 private:
  std::vector<std::pair<std::string, std::string>> storages_;
  std::string entries_;
  std::string object_;
  bool big_endian_ = false;
};

// Little-endian numbers one behind the other.
template <class T>
std::string packed(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

}  // namespace stkit::test
