// A file of torch.save whose storages are numbered as they are used.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "support/torch_builder.h"

namespace stkit::test {

class StateFile {
 public:
  // Dense tensors, as values of the pickle; flat where no shape is given.
  std::string floats(const std::vector<float>& values, std::vector<int64_t> shape = {});
  std::string halves(const std::vector<uint16_t>& values, const std::vector<int64_t>& shape);
  std::string longs(const std::vector<int64_t>& values);
  // `type` as in FloatStorage.
  std::string view(std::string_view type, std::string bytes, int64_t count,
                   const std::vector<int64_t>& shape);

  // `object` is a value that may hold those tensors.
  std::string bytes(const std::string& object);
  void write(const std::filesystem::path& path, const std::string& object);

 private:
  TorchBuilder builder_;
  int number_ = 0;
};

}  // namespace stkit::test
