// Elements as they are stored, widened to numbers.
#pragma once

#include <cstddef>
#include <span>

#include "stkit/dtype.h"

namespace stkit::kernels {

// Values per element as the functions here write them: 2 for C64 (real, imaginary), else 1.
constexpr size_t values_per_element(DType dtype) { return dtype == DType::C64 ? 2 : 1; }

// Values that `bytes` of a dtype hold.
size_t value_count(DType dtype, size_t bytes);

// Exact, but for I64 and U64 beyond 2^53, which are rounded to nearest even.
// REQUIRES: a dtype that is not a GGML block type; whole blocks of it; out.size() is
// value_count(). Any alignment.
void to_double(DType dtype, std::span<const std::byte> elements, std::span<double> out);

// The same in float: exact for floats of 32 bits or fewer and integers of 16; others are rounded to
// nearest even, and F64 beyond float's range becomes infinite. NaNs become quiet.
void to_float(DType dtype, std::span<const std::byte> elements, std::span<float> out);

}  // namespace stkit::kernels
