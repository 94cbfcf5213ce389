#pragma once

#include <filesystem>
#include <string_view>

#include "stkit/error.h"

namespace stkit::cli {

// Appears under its name whole or not at all.
Result<void> write_text_file(const std::filesystem::path& path, std::string_view text,
                             bool overwrite);

}  // namespace stkit::cli
