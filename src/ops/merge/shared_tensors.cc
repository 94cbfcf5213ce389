#include "ops/merge/shared_tensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <tuple>

#include "formats/finding_log.h"
#include "model/model_contents.h"
#include "stkit/text.h"

namespace stkit {
namespace {

// Models tie two or three tensors; a list of hundreds says no more than its beginning.
constexpr size_t kMostListed = 8;

auto place_of(const SelectedTensor* tensor) {
  const TensorInfo& source = *tensor->source;
  return std::tuple(source.file, source.offset_bytes, source.size_bytes);
}

// Where the first of its elements is.
std::tuple<uint32_t, uint64_t, uint64_t, DType> origin_of(const BoxedTensors& boxed,
                                                          const TensorInfo& tensor) {
  const auto boxes = boxed.find({tensor.file, tensor.name});
  const bool in_file = boxes != boxed.end() && boxes->second.sources.empty();
  const uint64_t offset = in_file && !boxes->second.boxes.empty()
                              ? boxes->second.boxes.front().offset_bytes
                              : tensor.offset_bytes;
  return {tensor.file, offset, tensor.size_bytes, tensor.dtype};
}

bool are_same(const BoxedTensors& boxed, const TensorInfo& a, const TensorInfo& b) {
  if (a.contiguous != b.contiguous) return false;
  if (a.contiguous) return true;  // of one origin
  return boxed.find({a.file, a.name})->second == boxed.find({b.file, b.name})->second;
}

}  // namespace

std::vector<uint32_t> group_shared_tensors(const Model& model,
                                           std::vector<SelectedTensor>& tensors) {
  const BoxedTensors& boxed = ModelAccess::contents(model).boxed;
  std::map<std::tuple<uint32_t, uint64_t, uint64_t, DType>, std::vector<uint32_t>> by_origin;
  std::vector<uint32_t> first(tensors.size());
  for (uint32_t i = 0; i < tensors.size(); ++i) {
    first[i] = i;
    const TensorInfo& tensor = *tensors[i].source;
    if (tensor.size_bytes == 0) continue;
    std::vector<uint32_t>& others = by_origin[origin_of(boxed, tensor)];
    const auto same = std::ranges::find_if(
        others, [&](uint32_t other) { return are_same(boxed, tensor, *tensors[other].source); });
    if (same == others.end())
      others.push_back(i);
    else
      first[i] = *same;
  }
  std::vector<uint32_t> order(tensors.size());
  std::iota(order.begin(), order.end(), 0u);
  std::ranges::stable_sort(order, {}, [&](uint32_t i) { return first[i]; });
  std::vector<SelectedTensor> grouped;
  std::vector<uint32_t> places(tensors.size());
  for (uint32_t place = 0; place < order.size(); ++place) {
    const uint32_t i = order[place];
    places[place] = first[i] == i ? place : places[place - 1];
    grouped.push_back(std::move(tensors[i]));
  }
  tensors = std::move(grouped);
  return places;
}

std::vector<std::string> shared_tensor_warnings(std::span<const SelectedTensor> tensors,
                                                bool stay_shared) {
  std::vector<const SelectedTensor*> with_run;
  for (const SelectedTensor& tensor : tensors)
    if (tensor.source->run() && tensor.source->size_bytes > 0) with_run.push_back(&tensor);
  std::ranges::stable_sort(with_run, {}, place_of);

  std::vector<std::string> warnings;
  size_t found = 0;
  for (size_t i = 1; i < with_run.size(); ++i) {
    if (place_of(with_run[i]) != place_of(with_run[i - 1]) || ++found > kMostListed) continue;
    warnings.push_back(fmt::format(
        "tensors {} and {} share {} bytes and {}", quoted_name(with_run[i - 1]->source->name),
        quoted_name(with_run[i]->source->name), format_grouped(with_run[i]->source->size_bytes),
        stay_shared ? "go on sharing them" : "get a copy each"));
  }
  if (found > kMostListed)
    warnings.push_back(
        fmt::format("{} more tensors share their bytes", format_grouped(found - kMostListed)));
  return warnings;
}

}  // namespace stkit
