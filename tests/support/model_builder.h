// Safetensors inputs made in code. Written apart from the library's own writer, so that the two
// check each other.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "stkit/dtype.h"

namespace stkit::test {

// `header` behind its length, padded with spaces to a multiple of 8 unless `pad` is false.
std::string safetensors_bytes(std::string_view header, std::string_view data, bool pad = true);

//   ModelBuilder().tensor("w", DType::BF16, {2, 3}).shards(3).write(dir);
//
// Data is a fixed pseudo-random sequence that depends on the tensor's name alone, so the same
// tensor has the same bytes in any sharding. Floats are finite.
class ModelBuilder {
 public:
  ModelBuilder& tensor(std::string name, DType dtype, std::vector<uint64_t> shape);
  // With these very bytes.
  ModelBuilder& tensor(std::string name, DType dtype, std::vector<uint64_t> shape,
                       std::string data);
  ModelBuilder& metadata(std::string key, std::string value);
  // Tensors are dealt to the shards in the order in which they were added, in equal runs. With
  // more than one, an index is written too.
  ModelBuilder& shards(size_t count);
  ModelBuilder& without_index();
  ModelBuilder& config(std::string json);  // also writes config.json

  std::string file_bytes() const;  // as one file
  // Writes model.safetensors, or model-0000i-of-0000N.safetensors and the index.
  void write(const std::filesystem::path& folder) const;
  static std::string data_of(std::string_view name, DType dtype,
                             const std::vector<uint64_t>& shape);

 private:
  struct Tensor {
    std::string name;
    DType dtype;
    std::vector<uint64_t> shape;
    std::string data;
  };
  std::string bytes_of(size_t first, size_t last) const;

  std::vector<Tensor> tensors_;
  std::map<std::string, std::string> metadata_;
  size_t shards_ = 1;
  bool index_ = true;
  std::string config_;
};

}  // namespace stkit::test
