// A command of the program: one row of commands().
#pragma once

#include <functional>
#include <span>
#include <string_view>

#include "stkit/error.h"

namespace CLI {
class App;
}

namespace stkit::cli {

class Session;

// Runs with the options that were parsed; returns the exit code of a run that worked.
using Action = std::function<Result<int>(Session&)>;

struct Command {
  std::string_view name;
  std::string_view summary;   // one line: "look at a model without loading it"
  std::string_view operands;  // "MODEL..."
  std::string_view details;   // the manual's text, a paragraph a line
  std::string_view examples;  // "command  # what for" lines
  Action (*add)(CLI::App& command);
  bool hidden = false;
};

// Every command once, in the order of the help.
std::span<const Command> commands();

Action add_inspect(CLI::App& command);
Action add_download(CLI::App& command);
Action add_search(CLI::App& command);
Action add_merge(CLI::App& command);
Action add_quantize(CLI::App& command);
Action add_validate(CLI::App& command);
Action add_completion(CLI::App& command);
Action add_help(CLI::App& command);
Action add_generate_man(CLI::App& command);

}  // namespace stkit::cli
