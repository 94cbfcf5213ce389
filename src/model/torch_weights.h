// One PyTorch file as weights of a model.
#pragma once

#include <cstdint>
#include <string_view>

#include "model/weights_header.h"
#include "stkit/io.h"
#include "stkit/model.h"

namespace stkit {

// `file_index` goes into the tensors. Fails only when the file cannot be read; what is wrong with
// its content is in `findings`.
Result<WeightsHeader> read_torch_weights(const RandomAccessFile& file, uint32_t file_index,
                                         const OpenOptions& options);

}  // namespace stkit
