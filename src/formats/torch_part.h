// Parts of tensors that were dealt to many processes, as each of them saved its own: DTensor, of
// FSDP2 and of tensor parallelism.
//
// A DTensor is _rebuild_from_type_v2(_rebuild_wrapper_subclass, DTensor, arguments, state), where
// the arguments give the shape of the whole, and the state the local tensor and a spec: a mesh of
// processes, and for each dimension of the mesh how the tensor is dealt along it.
#pragma once

#include <cstdint>
#include <vector>

#include "formats/torch_file.h"

namespace stkit {

// Indices of one dimension of the whole that follow each other in the part, too.
struct IndexRun {
  uint64_t first = 0;
  uint64_t count = 0;

  friend bool operator==(const IndexRun&, const IndexRun&) = default;
};

struct TorchPart {
  std::vector<uint64_t> shape;              // of the whole, in values as torch counts them
  std::vector<std::vector<IndexRun>> held;  // for each dimension, in the order of the part
  TorchTensor local;

  bool is_whole() const;
};

// How one dimension of the mesh deals a tensor.
struct Placement {
  enum class Kind : uint8_t { Replicate, Shard, StridedShard } kind = Kind::Replicate;
  uint64_t dimension = 0;     // of the tensor
  uint64_t split_factor = 1;  // of a StridedShard
};

struct MeshPlace {
  std::vector<uint64_t> size;        // of the mesh
  std::vector<uint64_t> coordinate;  // of this process in it
};

// What that process holds of each dimension of `shape`. `order` gives for a dimension of the tensor
// the dimensions of the mesh in the order in which they split it, where the file says so.
std::vector<std::vector<IndexRun>> dealt_runs(const std::vector<uint64_t>& shape,
                                              const std::vector<Placement>& placements,
                                              const MeshPlace& mesh,
                                              const std::vector<std::vector<size_t>>& order);

}  // namespace stkit
