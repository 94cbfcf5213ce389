// The safetensors container.
//
//   0        8                    8+N                        8+N+D = file size
//   +--------+---------------------+--------------------------+
//   | u64 N  | JSON header (N B)   | tensor data, no holes    |
//   +--------+---------------------+--------------------------+
//
//   {"__metadata__": {"k": "v"}, "name": {"dtype": "BF16", "shape": [2,3], "data_offsets": [0,12]}}
//
// Offsets count from 8+N. Every byte of the data belongs to exactly one tensor.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/arena.h"
#include "stkit/error.h"
#include "stkit/finding.h"
#include "stkit/io.h"
#include "stkit/tensor.h"

namespace stkit {

struct SafetensorsHeader {
  Arena storage;  // of the names and shapes below
  std::vector<TensorInfo> tensors;  // by offset, then name; offsets from the start of the file
  std::vector<std::pair<std::string, std::string>> metadata;  // in the order of the file
  bool has_metadata = false;
  uint64_t header_bytes = 0;  // 8 + N
  // Every broken rule, at most kMaxFindings of one kind with a count of the rest in the last one.
  // With one of severity Error, `tensors` holds those entries that could be read.
  std::vector<Finding> findings;

  bool sound() const;
};

inline constexpr size_t kMaxFindingsOfAKind = 20;

// Reads the header of `file`, never its data. `file_index` goes into the tensors. Fails only when
// the file cannot be read; what is wrong with its content is in `findings`.
Result<SafetensorsHeader> read_safetensors_header(const RandomAccessFile& file,
                                                  uint64_t max_header_bytes,
                                                  uint32_t file_index = 0);

// What a file that is not safetensors seems to be, from its first bytes: "a Git LFS pointer", "an
// HTML page", "a zip archive (PyTorch?)", ... Empty when nothing is recognised.
struct ForeignContent {
  std::string what;
  std::string cure;
};
ForeignContent recognise_foreign(std::span<const std::byte> head);

}  // namespace stkit
