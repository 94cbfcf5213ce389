// Every byte of a GGUF file (version 3) but the weights, fixed before the first of them is read.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/gguf_rules.h"
#include "formats/gguf_value.h"
#include "stkit/error.h"
#include "stkit/tensor.h"
#include "stkit/writer.h"

namespace stkit {

struct GgufLayout {
  struct Entry {
    uint32_t spec;          // index into the specs it was planned from
    uint64_t offset_bytes;  // from the start of the file
    uint64_t size_bytes;
  };
  std::string header;            // with the padding in front of the data
  std::vector<Entry> entries;    // in the order of the specs
  std::vector<ByteRun> padding;  // behind tensors, the last one included: zeros to be written
  uint64_t file_bytes = 0;
};

// Same arguments, same bytes: keys and tensors stay in their order. Shapes are outermost first; a
// scalar becomes a tensor of one element. An alignment other than 32 is added as
// general.alignment, unless `metadata` has it already. Refuses what read_gguf_header would.
Result<GgufLayout> plan_gguf(std::span<const GgufEntry> metadata, std::span<const TensorSpec> specs,
                             uint32_t alignment = kGgufDefaultAlignment);

// As files of at most `max_part_bytes` each, unless one tensor alone is larger. The first has the
// metadata, each has split.no, split.count and split.tensors.count. When all fits into one file
// it is that of plan_gguf, without these keys.
Result<std::vector<GgufLayout>> plan_split_gguf(std::span<const GgufEntry> metadata,
                                                std::span<const TensorSpec> specs,
                                                uint64_t max_part_bytes,
                                                uint32_t alignment = kGgufDefaultAlignment);

// "model-00001-of-00003.gguf"; parts count from 0, their names from 1.
std::string gguf_part_name(std::string_view prefix, size_t part, size_t count);

}  // namespace stkit
