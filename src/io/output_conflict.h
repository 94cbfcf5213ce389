#pragma once

#include <filesystem>
#include <span>

#include "stkit/error.h"

namespace stkit {

// OutputConflict when writing `output` (a file or a folder, which need not exist) would replace an
// input or add to one: it is an input, by whatever name or hard link, or lies inside a folder that
// is one. Inputs that do not exist are left to who opens them.
Result<void> check_output_is_not_input(const std::filesystem::path& output,
                                       std::span<const std::filesystem::path> inputs);

}  // namespace stkit
