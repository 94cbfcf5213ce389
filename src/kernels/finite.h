#pragma once

#include <span>

namespace stkit::kernels {

// No NaN and no infinity.
bool all_finite(std::span<const float> values);

}  // namespace stkit::kernels
