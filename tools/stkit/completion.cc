#include "completion.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace stkit::cli {
namespace {

// What may stand where a value is expected.
enum class ValueKind { Choices, Path, Folder, Free };

ValueKind kind_of(const OptionDoc& option) {
  if (!option.choices.empty()) return ValueKind::Choices;
  if (option.value == "DIR") return ValueKind::Folder;
  return option.value == "FILE" || option.value == "MODEL" ? ValueKind::Path : ValueKind::Free;
}

std::string_view short_name(const CommandDoc& command) {
  return std::string_view(command.name).substr(command.name.find(' ') + 1);
}

std::vector<const CommandDoc*> shown_commands(const ProgramDoc& program) {
  std::vector<const CommandDoc*> shown;
  for (const CommandDoc& command : program.commands)
    if (!command.hidden) shown.push_back(&command);
  return shown;
}

std::string command_names(const ProgramDoc& program) {
  std::vector<std::string_view> names;
  for (const CommandDoc* command : shown_commands(program)) names.push_back(short_name(*command));
  return fmt::format("{}", fmt::join(names, " "));
}

// What a command's operands are completed with: words, or nothing for paths.
std::string operand_words(const CommandDoc& command, const ProgramDoc& program) {
  for (const OptionDoc& option : command.options)
    if (option.names.empty() && !option.choices.empty())
      return fmt::format("{}", fmt::join(option.choices, " "));
  return command.operands == "[COMMAND]" ? command_names(program) : std::string();
}

std::string option_words(const CommandDoc& doc) {
  std::vector<std::string> words;
  for (const OptionDoc& option : doc.options)
    words.insert(words.end(), option.names.begin(), option.names.end());
  return fmt::format("{}", fmt::join(words, " "));
}

// --- bash -------------------------------------------------------------------------------------

std::string bash_values(const CommandDoc& doc) {
  std::string text;
  for (const OptionDoc& option : doc.options) {
    if (option.names.empty() || option.value.empty() || option.value_optional) continue;
    text += fmt::format("    {})\n", fmt::join(option.names, "|"));
    switch (kind_of(option)) {
      case ValueKind::Choices:
        text += fmt::format("      COMPREPLY=($(compgen -W '{}' -- \"$word\")); return ;;\n",
                            fmt::join(option.choices, " "));
        break;
      case ValueKind::Folder: text += "      _stkit_paths -d; return ;;\n"; break;
      case ValueKind::Path: text += "      _stkit_paths -f; return ;;\n"; break;
      case ValueKind::Free: text += "      return ;;\n"; break;
    }
  }
  return text;
}

std::string bash_script(const ProgramDoc& program) {
  std::string text = R"(# bash completion for stkit
_stkit_paths() {
  compopt -o filenames 2>/dev/null
  local IFS=$'\n'
  COMPREPLY=($(compgen "$1" -- "$word"))
}
_stkit() {
  local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} command= i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case ${COMP_WORDS[i]} in
)";
  std::string names = command_names(program);
  std::ranges::replace(names, ' ', '|');
  text += fmt::format("      {}) command=${{COMP_WORDS[i]}}; break ;;\n", names);
  text += "    esac\n  done\n  COMPREPLY=()\n  case $previous in\n" + bash_values(program.program) +
          "  esac\n  case $command in\n";
  for (const CommandDoc* command : shown_commands(program)) {
    const std::string values = bash_values(*command);
    if (!values.empty())
      text += fmt::format("  {})\n    case $previous in\n{}    esac ;;\n", short_name(*command),
                          values);
  }
  text += "  esac\n";
  text += fmt::format("  local options='{}' words='{}'\n  case $command in\n",
                      option_words(program.program), command_names(program));
  for (const CommandDoc* command : shown_commands(program))
    text += fmt::format("  {}) options+=' {}' words='{}' ;;\n", short_name(*command),
                        option_words(*command), operand_words(*command, program));
  text += R"(  esac
  if [[ $word == -* ]]; then
    COMPREPLY=($(compgen -W "$options" -- "$word"))
  elif [[ -n $words ]]; then
    COMPREPLY=($(compgen -W "$words" -- "$word"))
  else
    _stkit_paths -f
  fi
}
complete -F _stkit stkit
)";
  return text;
}

// --- zsh --------------------------------------------------------------------------------------

std::string zsh_quoted(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\'')
      out += "'\\''";
    else if (c == '[' || c == ']' || c == ':' || c == '\\')
      (out += '\\') += c;
    else
      out += c;
  }
  return out;
}

std::string zsh_value(const OptionDoc& option) {
  switch (kind_of(option)) {
    case ValueKind::Choices: return fmt::format("({})", fmt::join(option.choices, " "));
    case ValueKind::Folder: return "_files -/";
    case ValueKind::Path: return "_files";
    case ValueKind::Free: break;
  }
  return " ";
}

std::string zsh_options(const CommandDoc& doc, std::string_view indent) {
  std::string text;
  for (const OptionDoc& option : doc.options) {
    for (const std::string& name : option.names) {
      const bool long_name = name.starts_with("--");
      std::string value;
      if (!option.value.empty()) {
        const std::string_view mark = option.value_optional ? "=-" : long_name ? "=" : "+";
        value =
            fmt::format("{}[{}]:{}{}:{}", mark, zsh_quoted(option.description),
                        option.value_optional ? ":" : "", zsh_quoted(doc.name), zsh_value(option));
      } else {
        value = fmt::format("[{}]", zsh_quoted(option.description));
      }
      text += fmt::format("{}'{}{}' \\\n", indent, name, value);
    }
  }
  return text;
}

std::string zsh_script(const ProgramDoc& program) {
  std::string text = "#compdef stkit\n_stkit() {\n  local state\n  _arguments -C \\\n" +
                     zsh_options(program.program, "    ") +
                     "    '1:command:->command' '*::argument:->arguments'\n"
                     "  case $state in\n  command)\n    local -a commands=(\n";
  for (const CommandDoc* command : shown_commands(program))
    text += fmt::format("      '{}:{}'\n", short_name(*command), zsh_quoted(command->summary));
  text += "    )\n    _describe command commands ;;\n  arguments)\n    case $words[1] in\n";
  for (const CommandDoc* command : shown_commands(program)) {
    const std::string words = operand_words(*command, program);
    text += fmt::format("    {})\n      _arguments \\\n{}{}        '*:{}:{}' ;;\n",
                        short_name(*command), zsh_options(program.program, "        "),
                        zsh_options(*command, "        "), short_name(*command),
                        words.empty() ? "_files" : "(" + words + ")");
  }
  return text + "    esac ;;\n  esac\n}\ncompdef _stkit stkit\n";
}

// --- fish -------------------------------------------------------------------------------------

std::string fish_quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out + "'";
}

std::string fish_options(const CommandDoc& doc, const std::string& condition) {
  std::string text;
  for (const OptionDoc& option : doc.options) {
    if (option.names.empty()) continue;
    text += "complete -c stkit" + condition;
    for (const std::string& name : option.names)
      text += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
    if (!option.value.empty() && !option.value_optional) {
      text += kind_of(option) == ValueKind::Path || kind_of(option) == ValueKind::Folder ? " -r"
                                                                                         : " -x";
      if (!option.choices.empty()) text += fmt::format(" -a '{}'", fmt::join(option.choices, " "));
    }
    text += " -d " + fish_quoted(option.description) + "\n";
  }
  return text;
}

std::string fish_script(const ProgramDoc& program) {
  const std::string names = command_names(program);
  std::string text = "# fish completion for stkit\n" + fish_options(program.program, "");
  for (const CommandDoc* command : shown_commands(program)) {
    text +=
        fmt::format("complete -c stkit -f -n 'not __fish_seen_subcommand_from {}' -a {} -d {}\n",
                    names, short_name(*command), fish_quoted(command->summary));
    const std::string condition =
        fmt::format(" -n '__fish_seen_subcommand_from {}'", short_name(*command));
    text += fish_options(*command, condition);
    if (const std::string words = operand_words(*command, program); !words.empty())
      text += fmt::format("complete -c stkit -f{} -a '{}'\n", condition, words);
  }
  return text;
}

struct Shell {
  std::string_view name;
  std::string (*script)(const ProgramDoc&);
};
constexpr Shell kShells[] = {{"bash", bash_script}, {"zsh", zsh_script}, {"fish", fish_script}};
constexpr auto kShellNames = [] {
  std::array<std::string_view, std::size(kShells)> names;
  std::ranges::transform(kShells, names.begin(), &Shell::name);
  return names;
}();

}  // namespace

std::span<const std::string_view> completion_shells() { return kShellNames; }

std::string completion_script(std::string_view shell, const ProgramDoc& program) {
  return std::ranges::find(kShells, shell, &Shell::name)->script(program);
}

}  // namespace stkit::cli
