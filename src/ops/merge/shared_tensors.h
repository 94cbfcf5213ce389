#pragma once

#include <span>
#include <string>
#include <vector>

#include "ops/merge/select_tensors.h"
#include "stkit/model.h"

namespace stkit {

// Tensors whose bytes are the same run of one file, as PyTorch stores what is tied. The safetensors
// format has a place of its own for each, so they are written apart; this says which. With
// `stay_shared` they are not.
std::vector<std::string> shared_tensor_warnings(std::span<const SelectedTensor> tensors,
                                                bool stay_shared);

// Brings tensors that are the same elements of the input together, behind the first of them. Gives
// for each the first one's place: its own, where no other is the same.
std::vector<uint32_t> group_shared_tensors(const Model& model,
                                           std::vector<SelectedTensor>& tensors);

}  // namespace stkit
