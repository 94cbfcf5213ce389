// JSON as Python's json module writes it: with NaN, Infinity and -Infinity, which JSON lacks.
// Real configurations hold them (the time_step_limit of Mamba2 models ends in Infinity).
#pragma once

#include <string>
#include <string_view>

namespace stkit {

// `text` with null in place of those three words, where they are not inside a string.
std::string strict_json(std::string_view text);

}  // namespace stkit
