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

#include <cstddef>
#include <cstdint>
#include <span>
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
  Arena storage;  // of the names and shapes below; most names are views into the header's text
  // By offset, then size, then name; offsets from the start of the file. Each name occurs once.
  std::vector<TensorInfo> tensors;
  // In the order of the file; of a key that occurs twice, the last value.
  std::vector<std::pair<std::string, std::string>> metadata;
  bool has_metadata = false;
  uint64_t header_bytes = 0;  // 8 + N; the file's size where there is no sound N
  // Every broken rule, at most kMaxFindingsOfAKind of one kind with a count of the rest in the
  // last one. With one of severity Error, `tensors` holds those entries that could be read, whose
  // bytes may overlap or lie past the end of the file. `tensor` of a finding is the name as it is
  // in the file; in `message` it is made safe for a terminal.
  std::vector<Finding> findings;

  bool sound() const;
};

inline constexpr size_t kMaxFindingsOfAKind = 20;

// Reads the header of `file`, never its data, in two reads: its length, then the rest. `file_index`
// goes into the tensors. Fails only when the file cannot be read or does not fit into memory; what
// is wrong with its content is in `findings`.
Result<SafetensorsHeader> read_safetensors_header(const RandomAccessFile& file,
                                                  uint64_t max_header_bytes,
                                                  uint32_t file_index = 0);

// What a file that is not safetensors seems to be: "a Git LFS pointer to ...", "an HTML page",
// "a zip archive ...". Empty when nothing is recognised.
struct ForeignContent {
  std::string what;
  std::string cure;
};

// By its first bytes; kForeignHeadBytes are enough. Only for what failed to be safetensors: a
// sound file may begin with any of these.
ForeignContent recognise_foreign(std::span<const std::byte> head);
inline constexpr size_t kForeignHeadBytes = 512;

}  // namespace stkit
