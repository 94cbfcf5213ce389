#include "ops/merge/shared_tensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "formats/finding_log.h"
#include "stkit/text.h"

namespace stkit {
namespace {

// Models tie two or three tensors; a list of hundreds says no more than its beginning.
constexpr size_t kMostListed = 8;

auto place_of(const SelectedTensor* tensor) {
  const TensorInfo& source = *tensor->source;
  return std::tuple(source.file, source.offset_bytes, source.size_bytes);
}

}  // namespace

std::vector<std::string> shared_tensor_warnings(std::span<const SelectedTensor> tensors) {
  std::vector<const SelectedTensor*> with_run;
  for (const SelectedTensor& tensor : tensors)
    if (tensor.source->run() && tensor.source->size_bytes > 0) with_run.push_back(&tensor);
  std::ranges::stable_sort(with_run, {}, place_of);

  std::vector<std::string> warnings;
  size_t found = 0;
  for (size_t i = 1; i < with_run.size(); ++i) {
    if (place_of(with_run[i]) != place_of(with_run[i - 1]) || ++found > kMostListed) continue;
    warnings.push_back(fmt::format("tensors {} and {} share {} bytes and get a copy each",
                                   quoted_name(with_run[i - 1]->source->name),
                                   quoted_name(with_run[i]->source->name),
                                   format_grouped(with_run[i]->source->size_bytes)));
  }
  if (found > kMostListed)
    warnings.push_back(
        fmt::format("{} more tensors share their bytes", format_grouped(found - kMostListed)));
  return warnings;
}

}  // namespace stkit
