#include "support/model_builder.h"

#include <fmt/format.h>

#include <numeric>
#include <stdexcept>

#include "stkit/json.h"
#include "support/temp_dir.h"

namespace stkit::test {

std::string safetensors_bytes(std::string_view header, std::string_view data, bool pad) {
  std::string text(header);
  while (pad && text.size() % 8 != 0) text += ' ';
  std::string bytes;
  for (int shift = 0; shift < 64; shift += 8)
    bytes += static_cast<char>(text.size() >> shift & 0xFF);
  return bytes + text + std::string(data);
}

std::string ModelBuilder::data_of(std::string_view name, DType dtype,
                                  const std::vector<uint64_t>& shape) {
  const DTypeInfo& row = info(dtype);
  const uint64_t elements =
      std::accumulate(shape.begin(), shape.end(), uint64_t{1}, std::multiplies<>());
  std::string data(elements / row.block_elements * row.block_bytes, '\0');
  uint64_t state = 0x9E3779B97F4A7C15;
  for (const char c : name) state = (state ^ static_cast<unsigned char>(c)) * 0x100000001B3;
  for (size_t i = 0; i < data.size(); ++i) {
    state = state * 6364136223846793005 + 1442695040888963407;
    auto byte = static_cast<unsigned char>(state >> 56);
    // The high byte of each float keeps its exponent far from infinity.
    if (row.kind == DTypeKind::Float && i % row.block_bytes == row.block_bytes - 1u) byte &= 0xBB;
    if (row.kind == DTypeKind::Bool) byte &= 1;
    data[i] = static_cast<char>(byte);
  }
  return data;
}

ModelBuilder& ModelBuilder::tensor(std::string name, DType dtype, std::vector<uint64_t> shape) {
  std::string data = data_of(name, dtype, shape);
  return tensor(std::move(name), dtype, std::move(shape), std::move(data));
}

ModelBuilder& ModelBuilder::tensor(std::string name, DType dtype, std::vector<uint64_t> shape,
                                   std::string data) {
  tensors_.push_back({std::move(name), dtype, std::move(shape), std::move(data)});
  return *this;
}

ModelBuilder& ModelBuilder::metadata(std::string key, std::string value) {
  metadata_[std::move(key)] = std::move(value);
  return *this;
}

ModelBuilder& ModelBuilder::shards(size_t count) {
  shards_ = count;
  return *this;
}

ModelBuilder& ModelBuilder::without_index() {
  index_ = false;
  return *this;
}

ModelBuilder& ModelBuilder::config(std::string json) {
  config_ = std::move(json);
  return *this;
}

std::string ModelBuilder::bytes_of(size_t first, size_t last) const {
  std::string header, data;
  JsonWriter json(header);
  json.begin_object();
  if (!metadata_.empty()) {
    json.key("__metadata__").begin_object();
    for (const auto& [key, value] : metadata_) json.field(key, value);
    json.end_object();
  }
  for (size_t i = first; i < last; ++i) {
    const Tensor& tensor = tensors_[i];
    json.key(tensor.name).begin_object().field("dtype", name(tensor.dtype));
    json.key("shape").begin_array();
    for (const uint64_t dimension : tensor.shape) json.value(dimension);
    json.end_array().key("data_offsets").begin_array();
    json.value(data.size()).value(data.size() + tensor.data.size()).end_array().end_object();
    data += tensor.data;
  }
  json.end_object();
  return safetensors_bytes(header, data);
}

std::string ModelBuilder::file_bytes() const { return bytes_of(0, tensors_.size()); }

void ModelBuilder::write(const std::filesystem::path& folder) const {
  if (!config_.empty()) write_file(folder / "config.json", config_);
  if (shards_ == 1) return write_file(folder / "model.safetensors", file_bytes());
  uint64_t total = 0;
  std::map<std::string, std::string> weight_map;
  for (size_t shard = 0; shard < shards_; ++shard) {
    const size_t first = tensors_.size() * shard / shards_;
    const size_t last = tensors_.size() * (shard + 1) / shards_;
    const std::string file = fmt::format("model-{:05}-of-{:05}.safetensors", shard + 1, shards_);
    write_file(folder / file, bytes_of(first, last));
    for (size_t i = first; i < last; ++i) {
      total += tensors_[i].data.size();
      weight_map[tensors_[i].name] = file;
    }
  }
  if (!index_) return;
  std::string index;
  JsonWriter json(index, 2);
  json.begin_object().key("metadata").begin_object().field("total_size", total).end_object();
  json.key("weight_map").begin_object();
  for (const auto& [tensor, file] : weight_map) json.field(tensor, file);
  json.end_object().end_object();
  write_file(folder / "model.safetensors.index.json", index + "\n");
}

}  // namespace stkit::test
