#include "command_line.h"

#include <fmt/format.h>

#include <algorithm>
#include <ranges>

#include "options.h"
#include "stkit/text.h"

namespace stkit::cli {
namespace {

constexpr std::string_view kProgressStyles[] = {"auto", "bar", "plain", "json", "none"};
constexpr std::string_view kColorModes[] = {"auto", "always", "never"};
constexpr uint64_t kMostThreads = 4096;

constexpr std::string_view kProgramSummary = "see, check and convert the weights of models";
constexpr std::string_view kProgramDetails =
    "stdout carries the result and nothing else; messages and progress go to stderr.\n"
    "Global options may stand before or after the command.\n"
    "Environment: NO_COLOR and CLICOLOR_FORCE decide about colour where --color does not; COLUMNS "
    "is the width of a terminal that does not tell its own.\n"
    "Exit codes: 0 done, all well; 1 done, and the answer is no; 2 the command line is wrong; 3 "
    "the input is corrupt, inconsistent or of an unsupported kind; 4 not found; 5 access denied; "
    "6 network; 7 the output cannot be written; 70 a bug in stkit; 130 and 143 stopped by SIGINT "
    "and SIGTERM.";
constexpr std::string_view kProgramExamples =
    "stkit inspect ./Qwen3-8B  # what is in it\n"
    "stkit validate ./Qwen3-8B  # is it whole?\n"
    "stkit help inspect  # the manual of a command";

void add_global_options(CLI::App& app, GlobalOptions& global, bool& version) {
  app.add_flag("--json", global.json, "Print the result as one JSON document on stdout");
  add_choice(app, "--progress", global.progress, kProgressStyles,
             "How progress is shown on stderr: a bar on a terminal, else a plain line every few "
             "seconds; json prints one object a line");
  add_count(app, "-j,--threads", global.threads, kMostThreads,
            "Threads to work with (default: the cores this process may use)");
  add_size(app, "--max-memory", global.max_memory_bytes, "A bound on working memory, as in 2GiB");
  app.add_flag("-q,--quiet", global.quiet, "Only errors on stderr, no progress");
  app.add_flag("-v,--verbose", global.verbose, "Say what is decided and why; twice: debug");
  add_text(app, "--log-file", global.log_file, "FILE", "Append all messages to a file");
  add_choice(app, "--color", global.color, kColorModes, "When to use colour");
  app.add_flag("--version", version, "Print version, commit, compiler, SIMD targets, libraries");
}

OptionDoc describe(const CLI::Option& option) {
  OptionDoc doc;
  for (const std::string& name : option.get_snames()) doc.names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) doc.names.push_back("--" + name);
  if (doc.names.empty()) doc.operand = option.get_name(true);
  doc.value = option.get_type_name();
  doc.value_optional = option.get_items_expected_min() == 0 && !doc.value.empty();
  doc.description = option.get_description();
  if (doc.value.find('|') != std::string::npos)
    for (const auto choice : std::views::split(doc.value, '|'))
      doc.choices.emplace_back(choice.begin(), choice.end());
  return doc;
}

std::vector<OptionDoc> describe_options(const CLI::App& app) {
  std::vector<OptionDoc> docs;
  for (const CLI::Option* option : app.get_options()) docs.push_back(describe(*option));
  // CLI11 puts its help flags first; the options that make the command are what people look for.
  std::ranges::stable_partition(docs, [](const OptionDoc& doc) {
    return doc.names.empty() || (doc.names.front() != "-h" && doc.names.front() != "--help");
  });
  return docs;
}

// Every name that could have been meant where an unknown option stands.
std::vector<std::string_view> option_names(const ProgramDoc& doc, const CommandDoc* command) {
  std::vector<std::string_view> names;
  const auto add = [&](const CommandDoc& from) {
    for (const OptionDoc& option : from.options)
      for (const std::string& name : option.names) names.push_back(name);
  };
  add(doc.program);
  if (command != nullptr) add(*command);
  return names;
}

bool takes_value(const ProgramDoc& doc, std::string_view name) {
  const auto among = [&](const CommandDoc& from) {
    return std::ranges::any_of(from.options, [&](const OptionDoc& option) {
      return !option.value.empty() && !option.value_optional &&
             std::ranges::find(option.names, name) != option.names.end();
    });
  };
  return among(doc.program) || std::ranges::any_of(doc.commands, among);
}

// Last argument first, as CLI11 wants them. It takes an operand "[a,b]" for a list of two, and does
// not always hand what stands behind "--" to a command; with "./" in front the same path is left
// alone.
std::vector<std::string> for_parser(std::span<const char* const> args, const ProgramDoc& doc) {
  std::vector<std::string> texts;
  bool operands_only = false, is_value = false;
  for (const char* arg : args) {
    std::string text = arg;
    if (text == "--" && !is_value && !operands_only) {
      operands_only = true;
      continue;
    }
    if ((operands_only && text.starts_with('-')) || (!is_value && text.starts_with('[')))
      text.insert(0, "./");
    is_value = !operands_only && takes_value(doc, text);
    texts.push_back(std::move(text));
  }
  std::ranges::reverse(texts);
  return texts;
}

Error unknown_argument(const ProgramDoc& doc, const CommandDoc* command, std::string typed) {
  const auto suggest = [](std::string_view meant, std::string otherwise) {
    return meant.empty() ? std::move(otherwise) : fmt::format("did you mean '{}'?", meant);
  };
  if (typed.starts_with('-')) {
    typed = typed.substr(0, typed.find('='));
    return {ErrorCode::Usage,
            fmt::format("unknown option '{}'", typed),
            suggest(nearest(typed, option_names(doc, command)),
                    fmt::format("see: {} --help", command ? command->name : doc.program.name)),
            {}};
  }
  if (command != nullptr)
    return {ErrorCode::Usage,
            fmt::format("unexpected argument '{}'", typed),
            fmt::format("usage: {} [options] {}", command->name, command->operands),
            {}};
  std::vector<std::string_view> names;
  for (const Command& row : commands())
    if (!row.hidden) names.push_back(row.name);
  return {ErrorCode::Usage,
          fmt::format("unknown command '{}'", typed),
          suggest(nearest(typed, names), fmt::format("one of: {}", fmt::join(names, ", "))),
          {}};
}

const OptionDoc* find_option(const ProgramDoc& program, const CommandDoc& command,
                             std::string_view name) {
  for (const CommandDoc* doc : {&command, &program.program})
    for (const OptionDoc& option : doc->options)
      if (std::ranges::find(option.names, name) != option.names.end()) return &option;
  return nullptr;
}

Error usage_error(const CLI::ParseError& error, const ProgramDoc& program, const CommandDoc& doc) {
  std::string message = error.what();
  std::string hint;
  if (const size_t line_feed = message.find('\n'); line_feed != std::string::npos) {
    hint = message.substr(line_feed + 1);
    message.resize(line_feed);
  }
  if (dynamic_cast<const CLI::ArgumentMismatch*>(&error) != nullptr) {
    std::string name = message.substr(0, message.find_first_of(": "));
    if (!name.starts_with('-')) name.insert(0, "--");
    const OptionDoc* option = find_option(program, doc, name);
    const bool is_switch = option == nullptr || option->value.empty();
    message = name + (is_switch ? " takes no value" : " needs a value");
    if (!is_switch) hint = fmt::format("{} {}", name, option->value);
  } else if (dynamic_cast<const CLI::ExcludesError*>(&error) != nullptr) {
    const size_t verb = message.find(" excludes ");
    if (verb != std::string::npos) message.replace(verb, 10, " cannot be combined with ");
  }
  if (hint.empty()) hint = fmt::format("see: {} -h", doc.name);
  return {ErrorCode::Usage, std::move(message), std::move(hint), {}};
}

}  // namespace

struct CommandLine::Rep {
  CLI::App app{std::string(kProgramSummary), "stkit"};
  GlobalOptions global;
  bool version = false;
  std::vector<Action> actions;  // by index of commands()
  ProgramDoc doc;
};

CommandLine::CommandLine() : rep_(std::make_unique<Rep>()) {
  CLI::App& app = rep_->app;
  app.option_defaults()->disable_flag_override()->multi_option_policy(
      CLI::MultiOptionPolicy::TakeLast);
  app.set_help_flag("-h", "Short help with examples");
  app.set_help_all_flag("--help", "The whole manual");
  app.require_subcommand(0, 1);
  app.allow_extras();
  app.fallthrough();
  add_global_options(app, rep_->global, rep_->version);
  rep_->doc.program = {"stkit",
                       std::string(kProgramSummary),
                       "COMMAND",
                       std::string(kProgramDetails),
                       std::string(kProgramExamples),
                       describe_options(app),
                       false};
  for (const Command& row : commands()) {
    CLI::App& command = *app.add_subcommand(std::string(row.name), std::string(row.summary));
    rep_->actions.push_back(row.add(command));
    rep_->doc.commands.push_back({fmt::format("stkit {}", row.name), std::string(row.summary),
                                  std::string(row.operands), std::string(row.details),
                                  std::string(row.examples), describe_options(command),
                                  row.hidden});
  }
}

CommandLine::~CommandLine() = default;

const ProgramDoc& CommandLine::doc() const { return rep_->doc; }

const CommandDoc* ProgramDoc::find(std::string_view command) const {
  const auto rows = cli::commands();
  const auto row = std::ranges::find(rows, command, &Command::name);
  return row == rows.end() ? nullptr : &commands[static_cast<size_t>(row - rows.begin())];
}

Result<Invocation> CommandLine::parse(std::span<const char* const> args) {
  CLI::App& app = rep_->app;
  Invocation parsed;
  std::optional<Error> error;
  const auto chosen = [&]() -> const CommandDoc* {
    const std::vector<CLI::App*> used = app.get_subcommands();
    return used.empty() ? nullptr : rep_->doc.find(used.front()->get_name());
  };
  const auto doc_of_chosen = [&]() -> const CommandDoc& {
    const CommandDoc* command = chosen();
    return command == nullptr ? rep_->doc.program : *command;
  };
  try {
    app.parse(for_parser(args, rep_->doc));
  } catch (const CLI::CallForHelp&) {
    parsed.kind = Invocation::Kind::ShortHelp;
  } catch (const CLI::CallForAllHelp&) {
    parsed.kind = Invocation::Kind::LongHelp;
  } catch (const CLI::ParseError& thrown) {
    error = usage_error(thrown, rep_->doc, doc_of_chosen());
  }
  const CommandDoc* command = chosen();
  parsed.global = rep_->global;
  parsed.doc = &doc_of_chosen();
  if (parsed.kind != Invocation::Kind::Run) return parsed;
  if (const std::vector<std::string> extras = app.remaining(true); !extras.empty())
    return fail(unknown_argument(rep_->doc, command, extras.front()));
  if (error) return fail(std::move(*error));
  if (rep_->version) {
    parsed.kind = Invocation::Kind::Version;
  } else if (command == nullptr) {
    return fail(ErrorCode::Usage, "no command given", "see: stkit -h");
  } else {
    parsed.action = rep_->actions[static_cast<size_t>(command - rep_->doc.commands.data())];
  }
  return parsed;
}

bool asks_for_json(std::span<const char* const> args) {
  for (size_t i = 0; i < args.size(); ++i) {
    const std::string_view arg = args[i];
    if (arg == "--") return false;
    if (arg == "--json" || arg == "--format=json") return true;
    if (arg == "--format" && i + 1 < args.size() && std::string_view(args[i + 1]) == "json")
      return true;
  }
  return false;
}

}  // namespace stkit::cli
