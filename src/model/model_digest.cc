#include "model/model_digest.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <numeric>

#include "base/digest.h"
#include "base/parallel.h"
#include "model/read_blocks.h"

namespace stkit {

std::vector<uint32_t> tensors_by_name(const Model& model) {
  const std::span<const TensorInfo> tensors = model.tensors();
  std::vector<uint32_t> order(tensors.size());
  std::iota(order.begin(), order.end(), 0u);
  std::ranges::sort(order, {}, [&](uint32_t i) { return tensors[i].name; });
  return order;
}

std::string combine_digests(std::vector<DigestedTensor> tensors) {
  std::ranges::sort(tensors, {}, &DigestedTensor::name);
  Digest digest;
  digest.update("stkit-model-digest 1\n");
  for (const DigestedTensor& tensor : tensors)
    digest.update(fmt::format("{}:{} {} [{}] {}\n", tensor.name.size(), tensor.name,
                              name(tensor.dtype), fmt::join(tensor.shape, ","), tensor.sha256));
  return digest.hex();
}

std::string combine_digests(const Model& model, std::span<const std::string> tensor_digests) {
  std::vector<DigestedTensor> tensors;
  tensors.reserve(model.tensors().size());
  for (size_t i = 0; i < model.tensors().size(); ++i) {
    const TensorInfo& tensor = model.tensors()[i];
    tensors.push_back({tensor.name, tensor.dtype, tensor.shape, tensor_digests[i]});
  }
  return combine_digests(std::move(tensors));
}

Result<std::string> model_digest(const Model& model, const RunOptions& run) {
  const std::span<const TensorInfo> tensors = model.tensors();
  std::vector<std::string> digests(tensors.size());
  ReadBuffers buffers(run, 1);
  const auto hash = [&](size_t i, unsigned worker) -> Result<void> {
    Digest digest;
    const auto update = [&](uint64_t, std::span<const std::byte> block) -> Result<void> {
      digest.update(block);
      if (run.progress != nullptr) run.progress->advance(tensors[i].file, block.size());
      return {};
    };
    STKIT_TRY(read_in_blocks(model, tensors[i], buffers.one(worker), run.cancel, update));
    digests[i] = digest.hex();
    return {};
  };
  STKIT_TRY(parallel_for(tensors.size(), buffers.threads(), run.cancel, hash));
  STKIT_TRY(model.check_unchanged());
  return combine_digests(model, digests);
}

}  // namespace stkit
