// One run of stkit, from arguments to exit code.
#pragma once

#include <span>

namespace stkit::cli {

// `args` without the program's name.
int run_program(std::span<const char* const> args);

}  // namespace stkit::cli
