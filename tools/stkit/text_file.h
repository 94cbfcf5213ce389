#pragma once

#include <filesystem>
#include <string_view>

#include "stkit/error.h"
#include "stkit/model.h"

namespace stkit::cli {

// Appears under its name whole or not at all.
Result<void> write_text_file(const std::filesystem::path& path, std::string_view text,
                             bool overwrite);

// OutputConflict when `path` is one of the model's own files, by whatever name.
Result<void> check_not_input(const Model& model, const std::filesystem::path& path);

}  // namespace stkit::cli
