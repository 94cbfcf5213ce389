// What the file `.metadata` of a torch.distributed checkpoint says: a pickle of one Metadata
// object.
//
//   state_dict_metadata  name -> TensorStorageMetadata(properties, size, chunks) | BytesStorage...
//   planner_data         name -> ("model", "layers.0.weight"), the path in the dict that was saved
//   storage_data         (name, offsets of a chunk) -> (file, offset, length)
//
// Each chunk is stored as what torch.save writes of that chunk alone, behind the others of its
// file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "formats/torch_types.h"
#include "stkit/finding.h"

namespace stkit {

struct DcpChunk {
  std::vector<uint64_t> origin, size;
  uint32_t file = 0;  // index into DcpMetadata::files
  uint64_t offset_bytes = 0;
  uint64_t length_bytes = 0;
};

struct DcpTensor {
  std::string name;
  std::vector<std::string>
      path;  // in the dict that was saved; the name alone where it is not known
  const TorchType* type = nullptr;  // null: a dtype that is not known
  std::string type_name = {};
  std::vector<uint64_t> shape = {};
  std::vector<DcpChunk> chunks = {};
};

struct DcpMetadata {
  std::vector<DcpTensor> tensors;                 // in the order of the file
  std::vector<std::vector<std::string>> objects;  // the paths of what is no tensor
  std::vector<std::string> files;                 // that the chunks lie in, each once
  bool usable = false;                            // false: findings say why
  std::vector<Finding> findings;
};

// `pickle` is the whole file; `path` names it in findings.
DcpMetadata read_dcp_metadata(std::span<const std::byte> pickle, const std::string& path);

}  // namespace stkit
