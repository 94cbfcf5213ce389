// Whether the tensors of a GGUF header lie where they must: one behind the other, inside the file,
// with nothing else in between.
#pragma once

#include <cstdint>
#include <span>

#include "formats/finding_log.h"
#include "stkit/tensor.h"

namespace stkit {

struct GgufData {
  uint64_t start = 0;  // of the data in the file; may lie past its end
  uint32_t alignment = 0;
  uint64_t file_bytes = 0;
};

// `tensors` in the order of the header, offsets from data.start; ends are below 2^63.
// `all_placed` tells that there are no others, whose bytes would look like holes.
void check_gguf_placement(std::span<const TensorInfo> tensors, bool all_placed,
                          const GgufData& data, FindingLog& log);

}  // namespace stkit
