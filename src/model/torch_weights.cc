#include "model/torch_weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <tuple>
#include <utility>

#include "formats/finding_log.h"
#include "formats/safetensors_reader.h"
#include "formats/tensor_names.h"
#include "formats/torch_file.h"
#include "model/torch_state_dict.h"
#include "stkit/text.h"

namespace stkit {
namespace {

class TorchWeights {
 public:
  TorchWeights(const RandomAccessFile& file, uint32_t file_index)
      : file_index_(file_index), log_(file.label(), kMaxFindingsOfAKind) {}

  void add(const TorchFile& file, const StateDict::Entry& entry) {
    const auto view = file.tensor(entry.tensor);
    if (!view) {
      complete_ = false;
      log_.add(view.error().check, entry.name, [&] {
        return fmt::format("tensor {}: {}", quoted_name(entry.name), view.error().message);
      });
      return;
    }
    if (is_odd_tensor_name(entry.name))
      log_.add(Check::OddTensorName, entry.name,
               [&] { return fmt::format("tensor name {}", quoted_name(entry.name)); });
    const DTypeInfo& type = info(view->dtype);
    // What torch counts as one value is a whole block of the dtype, see TorchTensor.
    std::vector<uint64_t> shape = view->shape;
    if (type.block_elements > 1) shape.back() /= type.block_elements;
    BoxedTensor boxes =
        strided_tensor(file_index_, view->offset_bytes, shape, view->strides, type.block_bytes);
    boxes.swap_bytes = view->swap_bytes;

    TensorInfo tensor;
    tensor.name = header_.storage.copy(entry.name);
    tensor.shape = header_.storage.copy(std::span<const uint64_t>(view->shape));
    tensor.element_count = element_count(view->shape).value_or(0);  // checked by the reader
    tensor.size_bytes = storage_bytes(view->dtype, tensor.element_count).value_or(0);
    tensor.offset_bytes = view->offset_bytes;
    tensor.file = file_index_;
    tensor.dtype = view->dtype;
    tensor.contiguous = is_contiguous(boxes);
    if (!tensor.contiguous)
      header_.boxed.emplace(std::pair(file_index_, tensor.name), std::move(boxes));
    header_.tensors.push_back(tensor);
  }

  void note(const StateDict& state) {
    if (!state.prefixes.empty())
      log_.add(Check::WrapperPrefix, {},
               [&] { return fmt::format("names are given without {}", state.prefixes); });
    if (state.skipped > 0)
      log_.add(Check::SkippedValues, {}, [&] {
        return fmt::format("{} {} no tensor, first {}", format_grouped(state.skipped),
                           state.skipped == 1 ? "value is" : "values are",
                           quoted_name(state.first_skipped));
      });
  }

  WeightsHeader take() {
    const auto place = [](const TensorInfo& tensor) {
      return std::tuple(tensor.offset_bytes, tensor.size_bytes, tensor.name);
    };
    std::ranges::sort(header_.tensors, {}, place);
    for (size_t i = 1; i < header_.tensors.size(); ++i) {
      const TensorInfo& one = header_.tensors[i - 1];
      const TensorInfo& other = header_.tensors[i];
      if (other.size_bytes > 0 && one.contiguous && other.contiguous &&
          one.offset_bytes == other.offset_bytes && one.size_bytes == other.size_bytes)
        log_.add(Check::SharedStorage, other.name, [&] {
          return fmt::format("tensor {} shares its {} bytes with {}", quoted_name(other.name),
                             format_grouped(other.size_bytes), quoted_name(one.name));
        });
    }
    header_.complete = complete_;
    std::ranges::move(log_.take(), std::back_inserter(header_.findings));
    return std::move(header_);
  }

  WeightsHeader& header() { return header_; }
  FindingLog& log() { return log_; }

 private:
  const uint32_t file_index_;
  FindingLog log_;
  WeightsHeader header_;
  bool complete_ = true;
};

}  // namespace

Result<WeightsHeader> read_torch_weights(const RandomAccessFile& file, uint32_t file_index,
                                         const OpenOptions& options) {
  STKIT_ASSIGN(TorchFile torch, TorchFile::read(file, options.max_header_bytes));
  TorchWeights weights(file, file_index);
  weights.header().header_bytes = torch.header_bytes();
  weights.header().findings = torch.take_findings();
  if (!torch.has_object()) {
    WeightsHeader header = weights.take();
    header.complete = false;
    return header;
  }
  const auto state = find_state_dict(torch, options.key);
  if (!state) {
    weights.log().add(state.error().check, {}, [&] { return state.error().message; });
    WeightsHeader header = weights.take();
    header.complete = false;
    return header;
  }
  for (const StateDict::Entry& entry : state->entries) weights.add(torch, entry);
  weights.note(*state);
  return weights.take();
}

}  // namespace stkit
