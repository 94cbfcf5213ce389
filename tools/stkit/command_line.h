// The command tree: what can be typed, parsed, and described to people and shells.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "command.h"
#include "stkit/error.h"

namespace stkit::cli {

struct GlobalOptions {
  bool json = false;
  std::string progress = "auto";
  uint64_t threads = 0;
  uint64_t max_memory_bytes = 0;
  bool quiet = false;
  unsigned verbose = 0;
  std::string log_file;
  std::string color = "auto";
};

struct OptionDoc {
  std::vector<std::string> names;  // "-j", "--threads"; empty for an operand
  std::string operand;             // "MODEL"; empty for an option
  std::string value;               // "N", "auto|always|never"; empty for a switch
  bool value_optional = false;     // --name[=VALUE]
  std::string description;
  std::vector<std::string> choices;  // of `value`
};

struct CommandDoc {
  std::string name;  // "stkit inspect"
  std::string summary, operands, details, examples;
  std::vector<OptionDoc> options;
  bool hidden = false;
};

struct ProgramDoc {
  CommandDoc program;  // its options are the global ones
  std::vector<CommandDoc> commands;

  const CommandDoc* find(std::string_view command) const;
};

struct Invocation {
  enum class Kind { Run, ShortHelp, LongHelp, Version };
  Kind kind = Kind::Run;
  GlobalOptions global;
  const CommandDoc* doc = nullptr;  // of the command, or of the program
  Action action;                    // when Kind::Run
};

class CommandLine {
 public:
  CommandLine();
  ~CommandLine();

  // Once. `args` without the program's name. Fails with Usage.
  Result<Invocation> parse(std::span<const char* const> args);

  const ProgramDoc& doc() const;

 private:
  struct Rep;
  std::unique_ptr<Rep> rep_;
};

// What is known of the command line before it has been parsed, or when it cannot be.
bool asks_for_json(std::span<const char* const> args);

}  // namespace stkit::cli
