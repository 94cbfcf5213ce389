#pragma once

#include <span>

namespace stkit::kernels {

// The largest absolute value: NaN where there is one, else infinity where there is one; 0 of none.
float largest_magnitude(std::span<const float> values);

}  // namespace stkit::kernels
