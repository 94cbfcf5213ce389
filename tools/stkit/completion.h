// Completion scripts, generated from the command tree.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "command_line.h"

namespace stkit::cli {

std::span<const std::string_view> completion_shells();

// REQUIRES: one of completion_shells().
std::string completion_script(std::string_view shell, const ProgramDoc& program);

}  // namespace stkit::cli
