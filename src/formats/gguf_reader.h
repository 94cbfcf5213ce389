// The GGUF container, versions 2 and 3. All numbers are little-endian.
//
//   0       4         8           16       24
//   +-------+---------+-----------+--------+-----------+--------------+---------+-------------+
//   | GGUF  | u32     | u64       | u64    | entries   | tensor infos | zeros   | tensor data |
//   |       | version | n_tensors | n_keys |           |              |         |             |
//   +-------+---------+-----------+--------+-----------+--------------+---------+-------------+
//                                                       header_bytes ^          ^ data_offset
//   string       u64 length, bytes
//   entry        string key, u32 type, value; an array is u32 type, u64 count, elements
//   tensor info  string name, u32 n_dims, n_dims x u64 dimension (innermost first), u32 type,
//                u64 offset from data_offset
//
// data_offset and the start of each tensor are multiples of general.alignment (32 without the key);
// a tensor starts where the one before it in the header ends, rounded up.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/arena.h"
#include "formats/gguf_rules.h"
#include "formats/gguf_value.h"
#include "stkit/error.h"
#include "stkit/finding.h"
#include "stkit/io.h"
#include "stkit/tensor.h"

namespace stkit {

struct GgufHeader {
  Arena storage;  // of all the views below
  uint32_t version = 0;
  uint32_t alignment = kGgufDefaultAlignment;
  std::vector<GgufEntry> metadata;  // in the order of the file, duplicates included
  // In the order of the file, which in a sound one is that of the data; offsets from the start of
  // the file, shapes outermost first. Each name occurs once.
  std::vector<TensorInfo> tensors;
  uint64_t header_bytes = 0;  // without padding; the file's size where there is no sound header
  uint64_t data_offset = 0;   // at most the file's size
  // Every broken rule, at most kMaxFindingsOfAKind of one kind with a count of the rest in the
  // last one. With one of severity Error, `tensors` holds those infos that could be read, whose
  // bytes may overlap or lie past the end of the file.
  std::vector<Finding> findings;

  bool sound() const;
  const GgufValue* find(std::string_view key) const { return stkit::find(metadata, key); }
  std::optional<GgufSplit> split() const { return gguf_split(metadata); }
};

// Reads the header of `file` front to back, never its tensors. `file_index` goes into the tensors.
// Fails only when the file cannot be read or does not fit into memory; what is wrong with its
// content is in `findings`.
Result<GgufHeader> read_gguf_header(const RandomAccessFile& file, uint64_t max_header_bytes,
                                    uint32_t file_index = 0);

// The bytes of a sound file that belong neither to its header nor to a tensor, in order.
std::vector<ByteRun> gguf_padding(const GgufHeader& header, uint64_t file_bytes,
                                  uint32_t file_index = 0);

// Reads all of that padding, which read_gguf_header leaves alone, and reports what is not zero.
Result<std::vector<Finding>> check_gguf_padding(const RandomAccessFile& file,
                                                const GgufHeader& header);

}  // namespace stkit
