#pragma once

#include <span>
#include <string>
#include <vector>

#include "ops/merge/select_tensors.h"

namespace stkit {

// Tensors whose bytes are the same run of one file, as PyTorch stores what is tied. The safetensors
// format has a place of its own for each, so they are written apart; this says which.
std::vector<std::string> shared_tensor_warnings(std::span<const SelectedTensor> tensors);

}  // namespace stkit
