// One digest for the tensors of a model, whatever files they are in.
//
// SHA-256 over this text, where tensors are sorted by the bytes of their names:
//
//   stkit-model-digest 1\n
//   for each tensor:  <bytes in its name>:<name> <dtype> [<d0>,<d1>,...] <sha256 of its bytes>\n
//
// Numbers are decimal, digests lower-case hex; the dtype is named as in the safetensors format. The
// name's length in front keeps names with spaces or line ends from being read as something else.
// Metadata, order and sharding do not count, so merging or splitting a model keeps its digest.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "stkit/error.h"
#include "stkit/model.h"
#include "stkit/progress.h"

namespace stkit {

// Indices into model.tensors(), by the bytes of their names.
std::vector<uint32_t> tensors_by_name(const Model& model);

struct DigestedTensor {
  std::string_view name;
  DType dtype;
  Shape shape;
  std::string_view sha256;  // of its bytes
};
std::string combine_digests(std::vector<DigestedTensor> tensors);

// The same from those of all tensors of a model, which are by index of model.tensors().
std::string combine_digests(const Model& model, std::span<const std::string> tensor_digests);

// Reads every tensor once, in parallel, in bounded memory. REQUIRES: run.progress, where there is
// one, was begun with an item for each of model.files().
Result<std::string> model_digest(const Model& model, const RunOptions& run);

}  // namespace stkit
