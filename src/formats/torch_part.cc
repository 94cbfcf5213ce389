#include "formats/torch_part.h"

#include <algorithm>
#include <utility>

namespace stkit {
namespace {

using Runs = std::vector<IndexRun>;

uint64_t length(const Runs& runs) {
  uint64_t sum = 0;
  for (const IndexRun& run : runs) sum += run.count;
  return sum;
}

// Positions [begin, end) of what the runs list.
Runs cut(const Runs& runs, uint64_t begin, uint64_t end) {
  Runs taken;
  uint64_t at = 0;
  for (const IndexRun& run : runs) {
    const uint64_t from = std::max(begin, at), to = std::min(end, at + run.count);
    if (from < to) taken.push_back({run.first + (from - at), to - from});
    at += run.count;
  }
  return taken;
}

// As torch.chunk: all parts but the last ones have ceil(n / parts), and those may be empty.
std::pair<uint64_t, uint64_t> chunk(uint64_t length, uint64_t parts, uint64_t index) {
  const uint64_t each = length / parts + (length % parts != 0);
  return {std::min(index * each, length), std::min((index + 1) * each, length)};
}

Runs shard(const Runs& runs, uint64_t parts, uint64_t index) {
  const auto [begin, end] = chunk(length(runs), parts, index);
  return cut(runs, begin, end);
}

// First into `factor` pieces, each of those into the parts; a process holds its part of every
// piece. As shard() where there is one piece.
Runs strided_shard(const Runs& runs, uint64_t factor, uint64_t parts, uint64_t index) {
  Runs all;
  for (uint64_t piece = 0; piece < factor; ++piece) {
    const Runs part = shard(shard(runs, factor, piece), parts, index);
    if (part.empty() && shard(runs, factor, piece).empty()) break;
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

// One dimension of the mesh that splits a dimension of the tensor.
struct Split {
  size_t by;
  uint64_t factor;
};

// In the order in which they do.
std::vector<Split> splits_of(size_t dimension, const std::vector<Placement>& placements,
                             const MeshPlace& mesh) {
  std::vector<Split> splits;
  for (size_t i = 0; i < placements.size(); ++i)
    if (placements[i].kind != Placement::Kind::Replicate && placements[i].dimension == dimension)
      splits.push_back({i, placements[i].split_factor});
  // FSDP over tensor parallelism: the mesh's last dimension split first, which a stride stands for.
  // Taken at its word that would deal uneven tensors otherwise than FSDP does.
  for (size_t i = 0; i + 1 < splits.size(); ++i) {
    uint64_t behind = 1;
    for (size_t j = i + 1; j < splits.size(); ++j) behind *= mesh.size[splits[j].by];
    if (splits[i].factor == 1 || splits[i].factor != behind) continue;
    splits[i].factor = 1;
    const auto place = splits.begin() + static_cast<std::ptrdiff_t>(i);
    std::rotate(place, place + 1, splits.end());
  }
  return splits;
}

}  // namespace

bool TorchPart::is_whole() const {
  for (size_t i = 0; i < shape.size(); ++i)
    if (shape[i] > 0 && held[i] != Runs{{0, shape[i]}}) return false;
  return true;
}

std::vector<std::vector<IndexRun>> dealt_runs(const std::vector<uint64_t>& shape,
                                              const std::vector<Placement>& placements,
                                              const MeshPlace& mesh,
                                              const std::vector<std::vector<size_t>>& order) {
  std::vector<Runs> held;
  for (size_t dimension = 0; dimension < shape.size(); ++dimension) {
    Runs runs;
    if (shape[dimension] > 0) runs.push_back({0, shape[dimension]});
    std::vector<Split> splits;
    if (dimension < order.size() && !order[dimension].empty())
      for (const size_t by : order[dimension]) splits.push_back({by, 1});
    else
      splits = splits_of(dimension, placements, mesh);
    for (const auto& [by, factor] : splits)
      runs = strided_shard(runs, factor, mesh.size[by], mesh.coordinate[by]);
    held.push_back(std::move(runs));
  }
  return held;
}

}  // namespace stkit
