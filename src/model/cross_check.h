// An index against the tensors that its shards really hold.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "model/bundle.h"
#include "model/name_index.h"
#include "stkit/finding.h"
#include "stkit/model.h"
#include "stkit/tensor.h"

namespace stkit {

struct ScannedFile {
  uint32_t file = 0;         // index into the model's files
  bool all_entries = false;  // every entry of its header could be read
};

// The index is an allow-list: a tensor is taken from the file that it names. Removes from `tensors`
// and `names` what is not the model's, and reports every difference, one finding for each kind and
// file. `scanned` is parallel to bundle.weights.
void apply_index(const Folder& folder, const Bundle& bundle, std::span<const ScannedFile> scanned,
                 std::span<const ModelFile> files, std::vector<TensorInfo>& tensors,
                 NameIndex& names, std::vector<Finding>& findings);

// Without an index: tensors that lie in two files of one set, or files that are not one model.
void check_without_index(const Folder& folder, const Bundle& bundle,
                         std::span<const ModelFile> files, std::span<const TensorInfo> tensors,
                         const NameIndex& names, bool is_one_model, std::vector<Finding>& findings);

}  // namespace stkit
