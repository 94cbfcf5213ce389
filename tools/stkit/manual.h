// Help, manual and man pages, all from the command tree.
#pragma once

#include <string>
#include <vector>

#include "command_line.h"
#include "terminal.h"

namespace stkit::cli {

// One screen: usage, an option a line, examples.
std::string short_help(const CommandDoc& doc, const ProgramDoc& program, const Terminal& terminal);
// All there is to know.
std::string long_help(const CommandDoc& doc, const ProgramDoc& program, const Terminal& terminal);

// "-j, --threads N"
std::string option_label(const OptionDoc& option);

// As troff, for `man`.
std::string man_page(const CommandDoc& doc, const ProgramDoc& program);

struct Example {
  std::string command, purpose;
};
std::vector<Example> examples_of(const CommandDoc& doc);

}  // namespace stkit::cli
