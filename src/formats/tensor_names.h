// What holds for tensor names in every container.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "stkit/tensor.h"

namespace stkit {

// Whether a program that takes names for file names, or prints them, could trip over this one.
bool is_odd_tensor_name(std::string_view name);

// Indices of the tensors whose name occurs again behind them, ascending. Time O(n log n) whatever
// the names are. REQUIRES: fewer than 2^32 tensors.
std::vector<uint32_t> superseded_names(std::span<const TensorInfo> tensors);

// Removes those. REQUIRES: `superseded` as above.
void drop_tensors(std::vector<TensorInfo>& tensors, std::span<const uint32_t> superseded);

}  // namespace stkit
