// Models of every kind of tensor, cut into shards at any place.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "stkit/json.h"
#include "support/model_builder.h"
#include "support/temp_dir.h"

namespace stkit::test {

class RandomModel {
 public:
  explicit RandomModel(unsigned seed) : random_(seed) {
    const unsigned count = 1 + below(220);
    for (unsigned i = 0; i < count; ++i) add_tensor(i);
    if (below(2) == 0) metadata_["format"] = "pt";
    for (unsigned i = below(4); i > 0; --i) metadata_[fmt::format("key {} é", i)] = "\"\n值\x7f";
  }

  struct Tensor {
    std::string name;
    DType dtype;
    std::vector<uint64_t> shape;
    std::string data() const { return ModelBuilder::data_of(name, dtype, shape); }
  };
  const std::vector<Tensor>& tensors() const { return tensors_; }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }

  // In `shards` files, with an index for more than one. Some have headers of odd length, after
  // which no tensor is aligned.
  void write(const std::filesystem::path& folder, size_t shards) {
    std::string index;
    JsonWriter json(index);
    json.begin_object().key("weight_map").begin_object();
    size_t first = 0;
    for (size_t i = 0; i < shards; ++i) {
      const std::string file = shards == 1
                                   ? "model.safetensors"
                                   : fmt::format("model-{:05}-of-{:05}.safetensors", i + 1, shards);
      const size_t last =
          i + 1 == shards ? tensors_.size() : first + (tensors_.size() - first) / (shards - i);
      ModelBuilder builder;
      for (const auto& [key, value] : metadata_) builder.metadata(key, value);
      for (; first < last; ++first) {
        builder.tensor(tensors_[first].name, tensors_[first].dtype, tensors_[first].shape);
        json.field(tensors_[first].name, file);
      }
      write_file(folder / file, with_other_padding(builder.file_bytes()));
    }
    json.end_object().end_object();
    if (shards > 1) write_file(folder / "model.safetensors.index.json", index);
  }

  unsigned below(unsigned limit) { return static_cast<unsigned>(random_() % limit); }

 private:
  void add_tensor(unsigned i) {
    constexpr std::string_view kNames[] = {
        "w", "layers.weight", "überschrift", "层", "a b\"c\\", "\x01", ""};
    std::string name = fmt::format("{}{}", kNames[below(std::size(kNames))], i);
    DTypeInfo row = dtypes()[0];
    do row = dtypes()[below(22)];
    while (!row.in_safetensors());
    std::vector<uint64_t> shape;
    for (unsigned rank = below(4); rank > 0; --rank) shape.push_back(below(12));
    // Of sub-byte types whole bytes.
    if (row.block_elements > 1) shape.push_back(row.block_elements * below(3));
    if (below(20) == 0) shape.assign({row.block_elements * uint64_t{8192}, 3 + below(40)});
    tensors_.push_back({std::move(name), row.dtype, std::move(shape)});
  }

  std::string with_other_padding(const std::string& file) {
    uint64_t length = 0;
    for (size_t i = 8; i > 0; --i) length = length << 8 | static_cast<unsigned char>(file[i - 1]);
    std::string header = file.substr(8, length);
    header.erase(header.find_last_not_of(' ') + 1);
    header.append(below(3) == 0 ? 0 : below(20), ' ');
    return safetensors_bytes(header, file.substr(8 + length), below(3) == 0);
  }

  std::mt19937 random_;
  std::vector<Tensor> tensors_;
  std::map<std::string, std::string> metadata_;
};

}  // namespace stkit::test
