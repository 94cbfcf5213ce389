// Whether parts that came from many places make a whole tensor.
#pragma once

#include <expected>
#include <string>

#include "model/tensor_boxes.h"

namespace stkit {

// Drops boxes that are empty and those that hold the same part as another (replicas), then checks
// that what is left lies inside the tensor, is disjoint and covers it. Otherwise says what is
// wrong, with the numbers. REQUIRES: every box has the tensor's rank, and the tensor fewer than
// 2^64 units.
std::expected<void, std::string> settle_boxes(BoxedTensor& tensor);

}  // namespace stkit
