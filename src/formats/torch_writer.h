// Plans what torch.save would write of a dict of tensors: see torch_file.h.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "formats/zip_writer.h"
#include "stkit/error.h"
#include "stkit/writer.h"

namespace stkit {

// What becomes of one tensor: the storage that its elements are, which others may share.
struct TorchStorage {
  uint32_t first_spec;  // the first of the tensors that share it
  uint64_t offset_bytes;
  uint64_t size_bytes;
};

struct TorchLayout {
  ZipPlan zip;                         // an entry written later for each storage
  std::vector<TorchStorage> storages;  // by offset
};

struct TorchLayoutOptions {
  std::string_view root = "archive";  // the folder in the archive: the file's name without ending
  uint64_t alignment = 64;            // of storages
};

// Unsupported when PyTorch has no such dtype.
Result<void> check_torch_dtype(const TensorSpec& spec);

// `shares_with[i]` is the spec whose storage spec i is a view of: i itself, or an earlier one of as
// many elements of the same dtype. Same specs, same bytes. Refuses duplicate names and what
// check_torch_dtype refuses.
Result<TorchLayout> plan_torch_file(std::span<const TensorSpec> specs,
                                    std::span<const uint32_t> shares_with,
                                    const TorchLayoutOptions& options);

}  // namespace stkit
