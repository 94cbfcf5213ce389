// The operating system's error numbers as errors that help.
#pragma once

#include <sys/stat.h>

#include <string>
#include <string_view>

#include "stkit/error.h"

namespace stkit {

// "<action>: <cause>" about `path`, with the code and the cure that the number has for an input or
// for an output. `action` says what failed: "cannot be opened".
Error read_error(int number, std::string path, std::string_view action);
Error write_error(int number, std::string path, std::string_view action);

// "permission denied"; never localized.
std::string cause_of(int number);

// What something that is not a regular file is: "a folder", "a FIFO (named pipe)", ...
std::string_view kind_of(mode_t mode);

}  // namespace stkit
