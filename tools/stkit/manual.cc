#include "manual.h"

#include <fmt/format.h>

#include <algorithm>
#include <ranges>

#include "stkit/text.h"
#include "stkit/version.h"

namespace stkit::cli {
namespace {

// Text wider than this is hard to read, on however wide a terminal.
constexpr unsigned kWidestText = 100;

constexpr unsigned kOptionColumn = 30;  // where descriptions start

bool is_program(const CommandDoc& doc, const ProgramDoc& program) {
  return &doc == &program.program;
}

constexpr size_t kWidestValue = 40;

std::string usage_line(const CommandDoc& doc, bool program) {
  return program ? fmt::format("{} [global options] COMMAND [options] ...", doc.name)
                 : fmt::format("{} [options] {}", doc.name, doc.operands);
}

// Paragraphs, one a line of `text`, with a blank line between them.
std::string paragraphs(std::string_view text, unsigned columns) {
  std::string out;
  for (const auto part : std::views::split(text, '\n')) {
    if (!out.empty()) out += '\n';
    out += wrap_text(std::string_view(part.begin(), part.end()), 2, columns);
  }
  return out;
}

std::string hanging(std::string_view label, std::string_view text, unsigned columns,
                    const Paint& paint) {
  std::string body = wrap_text(text, kOptionColumn, columns);
  const size_t width = display_width(label) + 2;
  if (width >= kOptionColumn) return "  " + paint.bold(label) + "\n" + body;
  return "  " + paint.bold(label) + std::string(kOptionColumn - width, ' ') +
         body.substr(kOptionColumn);
}

unsigned text_columns(const Terminal& terminal) {
  return terminal.columns == 0 ? kWidestText : std::clamp(terminal.columns, 50u, kWidestText);
}

bool asks_for_help(const OptionDoc& option) {
  return !option.names.empty() &&
         (option.names.front() == "-h" || option.names.front() == "--help");
}

enum class Detail : uint8_t { Short, Full };

// Values too many for a line are cut; the manual names all of them below the option.
std::string options_text(const CommandDoc& doc, Detail detail, unsigned columns,
                         const Paint& paint) {
  std::string text;
  for (OptionDoc option : doc.options) {
    if (detail == Detail::Short && asks_for_help(option)) continue;
    if (option.value.size() > kWidestValue) {
      const size_t cut = option.value.rfind('|', kWidestValue - 2);
      if (cut != std::string::npos) {
        if (detail == Detail::Full) {
          std::string values = option.value;
          std::ranges::replace(values, '|', ' ');
          option.description += ": " + values;
        }
        option.value.replace(cut, std::string::npos, "|…");
      }
    }
    text += hanging(option.names.empty() ? option.operand : option_label(option),
                    option.description, columns, paint);
  }
  return text;
}

std::string commands_text(const ProgramDoc& program, unsigned columns, const Paint& paint) {
  std::string text;
  for (const CommandDoc& command : program.commands)
    if (!command.hidden)
      text += hanging(command.name.substr(command.name.find(' ') + 1) + " " + command.operands,
                      command.summary, columns, paint);
  return text;
}

std::string examples_text(const CommandDoc& doc, const Paint& paint) {
  std::string text;
  size_t widest = 0;
  const std::vector<Example> examples = examples_of(doc);
  for (const Example& example : examples) widest = std::max(widest, display_width(example.command));
  for (const Example& example : examples)
    text += fmt::format("  {}{}  {}\n", example.command,
                        std::string(widest - display_width(example.command), ' '),
                        paint.dim("# " + example.purpose));
  return text;
}

std::string global_names(const ProgramDoc& program) {
  std::string names;
  for (const OptionDoc& option : program.program.options)
    if (!asks_for_help(option)) names += (names.empty() ? "" : " ") + option.names.back();
  return names;
}

std::string heading(std::string_view text, const Paint& paint) {
  return "\n" + paint.bold(text) + "\n";
}

std::string troff(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\')
      out += "\\e";
    else if (c == '-')
      out += "\\-";
    else if (c == '\'')
      out += "\\(aq";
    else if (c == '`')
      out += "\\(ga";
    else if ((c == '.') && (out.empty() || out.back() == '\n'))
      out += "\\&.";
    else
      out += c;
  }
  return out;
}

std::string troff_paragraphs(std::string_view text) {
  std::string out;
  for (const auto part : std::views::split(text, '\n'))
    out += ".PP\n" + troff(std::string_view(part.begin(), part.end())) + "\n";
  return out;
}

std::string troff_options(const CommandDoc& doc) {
  std::string out;
  for (const OptionDoc& option : doc.options)
    out += fmt::format(".TP\n\\fB{}\\fR\n{}.\n",
                       troff(option.names.empty() ? option.operand : option_label(option)),
                       troff(option.description));
  return out;
}

std::string page_name(const CommandDoc& doc) {
  std::string name = doc.name;
  std::ranges::replace(name, ' ', '-');
  return name;
}

}  // namespace

std::string option_label(const OptionDoc& option) {
  std::string label = fmt::format("{}", fmt::join(option.names, ", "));
  if (option.value.empty()) return label;
  return label + (option.value_optional ? fmt::format("[={}]", option.value) : " " + option.value);
}

std::vector<Example> examples_of(const CommandDoc& doc) {
  std::vector<Example> examples;
  for (const auto part : std::views::split(doc.examples, '\n')) {
    const std::string_view line(part.begin(), part.end());
    const size_t mark = line.find("  # ");
    examples.push_back({std::string(line.substr(0, mark)), std::string(line.substr(mark + 4))});
  }
  return examples;
}

std::string short_help(const CommandDoc& doc, const ProgramDoc& program, const Terminal& terminal) {
  const Paint paint(terminal.color);
  const unsigned columns = text_columns(terminal);
  std::string text = fmt::format("{} - {}\n\nusage: {}\n", paint.bold(doc.name), doc.summary,
                                 usage_line(doc, is_program(doc, program)));
  if (is_program(doc, program))
    text += heading("Commands", paint) + commands_text(program, columns, paint) +
            heading("Global options", paint) + options_text(doc, Detail::Full, columns, paint);
  else
    text += heading("Options", paint) + options_text(doc, Detail::Short, columns, paint) + "\n" +
            wrap_text("Global options (see stkit -h): " + global_names(program) +
                          "; --help shows the whole manual",
                      0, columns);
  return text + heading("Examples", paint) + examples_text(doc, paint);
}

std::string long_help(const CommandDoc& doc, const ProgramDoc& program, const Terminal& terminal) {
  const Paint paint(terminal.color);
  const unsigned columns = text_columns(terminal);
  std::string text = paint.bold("NAME") + "\n" +
                     wrap_text(fmt::format("{} - {}", doc.name, doc.summary), 2, columns);
  text +=
      heading("SYNOPSIS", paint) + wrap_text(usage_line(doc, is_program(doc, program)), 2, columns);
  text += heading("DESCRIPTION", paint) + paragraphs(doc.details, columns);
  if (is_program(doc, program))
    text += heading("COMMANDS", paint) + commands_text(program, columns, paint);
  else
    text += heading("OPTIONS", paint) + options_text(doc, Detail::Full, columns, paint);
  text += heading("GLOBAL OPTIONS", paint) +
          options_text(program.program, Detail::Full, columns, paint);
  return text + heading("EXAMPLES", paint) + examples_text(doc, paint);
}

std::string man_page(const CommandDoc& doc, const ProgramDoc& program) {
  const std::string name = page_name(doc);
  std::string title = name;
  std::ranges::transform(title, title.begin(), [](char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  });
  std::string page =
      fmt::format(".TH {} 1 \"\" \"stkit {}\" \"User Commands\"\n", troff(title), version());
  page += fmt::format(".SH NAME\n{} \\- {}\n", troff(name), troff(doc.summary));
  page += ".SH SYNOPSIS\n" + troff(usage_line(doc, is_program(doc, program))) + "\n";
  page += ".SH DESCRIPTION\n" + troff_paragraphs(doc.details);
  if (is_program(doc, program)) {
    page += ".SH COMMANDS\n";
    for (const CommandDoc& command : program.commands)
      if (!command.hidden)
        page += fmt::format(".TP\n\\fB{}\\fR(1)\n{}\n", troff(page_name(command)),
                            troff(command.summary));
  } else {
    page += ".SH OPTIONS\n" + troff_options(doc);
  }
  page += ".SH GLOBAL OPTIONS\n" + troff_options(program.program) + ".SH EXAMPLES\n";
  for (const Example& example : examples_of(doc))
    page += fmt::format(".TP\n{}\n{}\n", troff(example.command), troff(example.purpose));
  page += ".SH SEE ALSO\n";
  std::vector<std::string> others;
  if (!is_program(doc, program)) others.push_back("\\fBstkit\\fR(1)");
  for (const CommandDoc& command : program.commands)
    if (!command.hidden && &command != &doc)
      others.push_back(fmt::format("\\fB{}\\fR(1)", troff(page_name(command))));
  return page + fmt::format("{}\n", fmt::join(others, ", "));
}

}  // namespace stkit::cli
