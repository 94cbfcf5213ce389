#pragma once

#include <cstddef>
#include <optional>
#include <span>

#include "stkit/dtype.h"

namespace stkit::kernels {

// The first block whose scale or minimum is infinite or NaN, which makes all of its values so: what
// quantizing values beyond the range of a half leaves, or damage. REQUIRES: whole blocks.
std::optional<size_t> first_block_without_scale(DType type, std::span<const std::byte> blocks);

}  // namespace stkit::kernels
