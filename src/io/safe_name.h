#pragma once

#include <string_view>

#include "stkit/error.h"

namespace stkit {

// Whether a name from a foreign source (an index's weight_map, a repository's file list) can only
// mean a file below the folder that it is relative to, on POSIX and on Windows alike. Corrupt,
// with what is wrong with it, otherwise: absolute paths, `..`, `.`, empty components, backslashes,
// colons, control characters, device names (NUL.txt), components that end in a dot or a space or
// are too long.
Result<void> check_relative_name(std::string_view name);

}  // namespace stkit
