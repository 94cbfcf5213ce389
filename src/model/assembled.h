// Models whose tensors are put together from parts of many files.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/model_contents.h"
#include "model/tensor_boxes.h"
#include "stkit/dtype.h"
#include "stkit/io.h"

namespace stkit {

struct AssembledTensor {
  std::string name;
  DType dtype = DType::F32;
  std::vector<uint64_t> shape;
  BoxedTensor boxes;
};

// Lists `weights`, and of the files `beside` them the companions, and opens the pool over them.
void list_assembled_files(std::span<const FolderEntry> weights, std::span<const FolderEntry> beside,
                          ModelContents& contents);

// The place of a file of that list. REQUIRES: it is in there.
uint32_t assembled_file(const ModelContents& contents, std::string_view name);

// Makes them the model's. One without boxes (it has no elements) is put into `file_of_empty`.
void take_assembled_tensors(std::vector<AssembledTensor> tensors, uint32_t file_of_empty,
                            ModelContents& contents);

}  // namespace stkit
