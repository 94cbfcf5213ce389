#pragma once

#include <cstddef>
#include <span>

#include "stkit/dtype.h"

namespace stkit::kernels {

// Blocks of 32 evenly spaced codes: Q4_0, Q4_1, Q5_0, Q5_1, Q8_0. One row; `importance` is empty
// or has one weight a column (Q8_0 ignores it).
void encode_small(DType type, std::span<const float> row, std::span<const float> importance,
                  std::byte* out);

// Blocks of 32 codes into a table of values: MXFP4, IQ4_NL, IQ4_XS. The same arguments (MXFP4
// ignores importance).
void encode_table(DType type, std::span<const float> row, std::span<const float> importance,
                  std::byte* out);

}  // namespace stkit::kernels
