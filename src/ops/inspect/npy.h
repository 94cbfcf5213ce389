#pragma once

#include <string>

#include "stkit/tensor.h"

namespace stkit {

// Everything of a .npy file in front of its data, for a tensor as write_npy stores it.
// REQUIRES: a dtype that is not a GGML block type, at most 64 dimensions, which is what readers
// accept and what NumPy 2 has.
std::string npy_header(DType dtype, Shape shape);

}  // namespace stkit
