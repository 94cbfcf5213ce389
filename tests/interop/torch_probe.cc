// Models as the library reads them, as a program, for tests that hold it against PyTorch.
//
//   torch_probe PATH [KEY]   for each tensor, by name: a line `<name in hex> <dtype> <d0,d1,...>
//                            <bytes>`, then its bytes
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "stkit/model.h"

namespace {

using namespace stkit;

// Small on purpose: reads begin and end in the middle of rows.
constexpr uint64_t kElementsAtOnce = 24;

std::string hex(std::string_view bytes) {
  std::string text;
  for (const char byte : bytes) text += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  return text;
}

Result<void> print(const Model& model, const TensorInfo& tensor) {
  std::string shape;
  for (const uint64_t dimension : tensor.shape) shape += fmt::format("{},", dimension);
  fmt::print("{} {} {} {}\n", hex(tensor.name), name(tensor.dtype), shape, tensor.size_bytes);
  const uint64_t step = std::max<uint64_t>(kElementsAtOnce, tensor.element_count / 50 / 8 * 8);
  for (uint64_t first = 0; first < tensor.element_count; first += step) {
    const uint64_t count = std::min(step, tensor.element_count - first);
    STKIT_ASSIGN(const uint64_t bytes, storage_bytes(tensor.dtype, count));
    std::vector<std::byte> block(bytes);
    STKIT_TRY(model.read(tensor, first, count, block));
    std::fwrite(block.data(), 1, block.size(), stdout);
  }
  return {};
}

Result<void> run(int argc, char** argv) {
  OpenOptions options;
  if (argc > 2) options.key = argv[2];
  STKIT_ASSIGN(const Model model, Model::open(argc > 1 ? argv[1] : "", options));
  std::vector<TensorInfo> tensors(model.tensors().begin(), model.tensors().end());
  std::ranges::sort(tensors, {}, &TensorInfo::name);
  for (const TensorInfo& tensor : tensors) STKIT_TRY(print(model, tensor));
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  const auto result = run(argc, argv);
  if (result) return 0;
  fmt::print(stderr, "error: {}\n", result.error().message);
  return 1;
}
