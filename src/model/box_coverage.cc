#include "model/box_coverage.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <numeric>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

#include "stkit/text.h"

namespace stkit {
namespace {

uint64_t volume(const std::vector<uint64_t>& size) {
  return std::accumulate(size.begin(), size.end(), uint64_t{1}, std::multiplies());
}

std::string describe(const TensorBox& box) {
  return fmt::format("[{}] at [{}]", fmt::join(box.size, ", "), fmt::join(box.origin, ", "));
}

bool is_inside(const TensorBox& box, const std::vector<uint64_t>& shape) {
  for (size_t i = 0; i < shape.size(); ++i)
    if (box.origin[i] > shape[i] || box.size[i] > shape[i] - box.origin[i]) return false;
  return true;
}

bool overlap(const TensorBox& a, const TensorBox& b) {
  for (size_t i = 0; i < a.origin.size(); ++i)
    if (a.origin[i] >= b.origin[i] + b.size[i] || b.origin[i] >= a.origin[i] + a.size[i])
      return false;
  return true;
}

// The dimension along which the boxes begin at the most different places: what lies apart there
// need not be compared.
size_t widest_spread(const BoxedTensor& tensor) {
  size_t best = 0, most = 0;
  for (size_t i = 0; i < tensor.shape.size(); ++i) {
    std::set<uint64_t> origins;
    for (const TensorBox& box : tensor.boxes) origins.insert(box.origin[i]);
    if (origins.size() > most) most = origins.size(), best = i;
  }
  return best;
}

// Two boxes that share an element, if there are such.
std::optional<std::pair<const TensorBox*, const TensorBox*>> find_overlap(
    const BoxedTensor& tensor) {
  if (tensor.boxes.size() < 2) return std::nullopt;
  if (tensor.shape.empty()) return std::pair(&tensor.boxes[0], &tensor.boxes[1]);
  const size_t along = widest_spread(tensor);
  std::vector<const TensorBox*> sorted, open;
  for (const TensorBox& box : tensor.boxes) sorted.push_back(&box);
  std::ranges::sort(sorted, {}, [&](const TensorBox* box) { return box->origin[along]; });
  for (const TensorBox* box : sorted) {
    std::erase_if(open, [&](const TensorBox* other) {
      return other->origin[along] + other->size[along] <= box->origin[along];
    });
    for (const TensorBox* other : open)
      if (overlap(*other, *box)) return std::pair(other, box);
    open.push_back(box);
  }
  return std::nullopt;
}

void drop_replicas(std::vector<TensorBox>& boxes) {
  const auto place = [](const TensorBox& box) { return std::tie(box.origin, box.size); };
  std::erase_if(boxes, [](const TensorBox& box) { return volume(box.size) == 0; });
  std::ranges::stable_sort(boxes, {}, place);
  const auto repeated = std::ranges::unique(boxes, {}, place);
  boxes.erase(repeated.begin(), repeated.end());
}

}  // namespace

std::expected<void, std::string> settle_boxes(BoxedTensor& tensor) {
  for (const TensorBox& box : tensor.boxes)
    if (!is_inside(box, tensor.shape))
      return std::unexpected(fmt::format("its part {} is outside of [{}]", describe(box),
                                         fmt::join(tensor.shape, ", ")));
  drop_replicas(tensor.boxes);
  if (const auto both = find_overlap(tensor))
    return std::unexpected(fmt::format("its parts {} and {} overlap", describe(*both->first),
                                       describe(*both->second)));
  const uint64_t wanted = volume(tensor.shape);
  uint64_t there = 0;  // of disjoint boxes inside the tensor, so it cannot overflow
  for (const TensorBox& box : tensor.boxes) there += volume(box.size);
  if (there != wanted)
    return std::unexpected(fmt::format("its {} parts hold {} of its {} elements",
                                       format_grouped(tensor.boxes.size()), format_grouped(there),
                                       format_grouped(wanted)));
  if (tensor.boxes.size() == 1) {
    const TensorBox box = std::move(tensor.boxes.front());
    const uint8_t swap_bytes = tensor.swap_bytes;
    tensor = strided_tensor(box.file, box.offset_bytes, box.size, box.strides, tensor.unit_bytes);
    tensor.swap_bytes = swap_bytes;
  }
  return {};
}

}  // namespace stkit
