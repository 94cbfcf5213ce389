#include "command_line.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "completion.h"
#include "manual.h"

namespace stkit::cli {
namespace {

Result<Invocation> parse(CommandLine& line, std::vector<const char*> args) {
  return line.parse(args);
}

TEST(CommandLine, TakesGlobalOptionsOnBothSidesOfTheCommand) {
  CommandLine line;
  const auto parsed = parse(line, {"--threads", "3", "-vv", "inspect", "x", "--json", "-q"});
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(parsed->kind, Invocation::Kind::Run);
  EXPECT_EQ(parsed->global.threads, 3u);
  EXPECT_EQ(parsed->global.verbose, 2u);
  EXPECT_TRUE(parsed->global.json);
  EXPECT_TRUE(parsed->global.quiet);
  EXPECT_EQ(parsed->doc->name, "stkit inspect");
}

TEST(CommandLine, TheLastOfARepeatedOptionCounts) {
  CommandLine line;
  const auto parsed = parse(line, {"-j", "3", "inspect", "x", "-j4"});
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(parsed->global.threads, 4u);
}

TEST(CommandLine, HelpAndVersionNeedNothingElse) {
  const std::pair<std::vector<const char*>, Invocation::Kind> kCases[] = {
      {{"-h"}, Invocation::Kind::ShortHelp},
      {{"--help"}, Invocation::Kind::LongHelp},
      {{"inspect", "-h"}, Invocation::Kind::ShortHelp},
      {{"inspect", "--sort", "name", "--help"}, Invocation::Kind::LongHelp},
      {{"completion", "-h"}, Invocation::Kind::ShortHelp},
      {{"--version"}, Invocation::Kind::Version},
      {{"inspect", "--version"}, Invocation::Kind::Version},
  };
  for (const auto& [args, kind] : kCases) {
    CommandLine line;
    const auto parsed = parse(line, args);
    ASSERT_TRUE(parsed) << args.front() << ": " << parsed.error().message;
    EXPECT_EQ(parsed->kind, kind) << args.front();
  }
}

TEST(CommandLine, EveryRefusalIsAUsageErrorWithAWayOut) {
  const std::vector<const char*> kCases[] = {
      {},
      {"inspct"},
      {"inspect", "--sats", "x"},
      {"inspect", "x", "--sort"},
      {"inspect", "x", "--sort", "bigness"},
      {"inspect", "x", "--tree=1"},
      {"inspect", "x", "--values", "1"},
      {"inspect", "x", "--tensor", "t", "--values", "-1"},
      {"--progress", "loud", "inspect", "x"},
      {"-j", "1e3", "inspect", "x"},
      {"--max-memory", "lots", "inspect", "x"},
      {"completion"},
      {"completion", "tcsh"},
      {"completion", "bash", "zsh"},
      {"validate", "x", "--for", "ollama"},
  };
  for (const auto& args : kCases) {
    CommandLine line;
    const auto parsed = parse(line, args);
    const std::string typed = args.empty() ? "nothing" : args.back();
    ASSERT_FALSE(parsed) << typed;
    EXPECT_EQ(parsed.error().code, ErrorCode::Usage) << typed;
    EXPECT_FALSE(parsed.error().hint.empty()) << typed << ": " << parsed.error().message;
  }
}

TEST(CommandLine, EveryOptionIsDescribedAndNamedOnce) {
  const CommandLine line;
  std::vector<const CommandDoc*> docs = {&line.doc().program};
  for (const CommandDoc& command : line.doc().commands) docs.push_back(&command);
  for (const CommandDoc* doc : docs) {
    EXPECT_FALSE(doc->summary.empty()) << doc->name;
    EXPECT_FALSE(examples_of(*doc).empty()) << doc->name;
    std::set<std::string> seen;
    for (const OptionDoc& option : doc->options) {
      EXPECT_FALSE(option.description.empty()) << doc->name << " " << option_label(option);
      for (const std::string& name : option.names) EXPECT_TRUE(seen.insert(name).second) << name;
    }
  }
}

TEST(Manual, EveryOptionIsInEveryForm) {
  const CommandLine line;
  const ProgramDoc& program = line.doc();
  for (const CommandDoc& command : program.commands) {
    if (command.hidden) continue;
    const std::string manual = long_help(command, program, {});
    const std::string help = short_help(command, program, {});
    for (const OptionDoc& option : command.options)
      for (const std::string& name : option.names) {
        EXPECT_NE(manual.find(name), std::string::npos) << name;
        EXPECT_NE(help.find(name), std::string::npos) << name;
        for (const std::string_view shell : completion_shells()) {
          const std::string wanted = shell != "fish"          ? name
                                     : name.starts_with("--") ? "-l " + name.substr(2)
                                                              : "-s " + name.substr(1);
          EXPECT_NE(completion_script(shell, program).find(wanted), std::string::npos)
              << shell << ": " << name;
        }
      }
    EXPECT_LE(std::ranges::count(help, '\n'), 50) << "a screen: " << command.name;
  }
}

TEST(AsksForJson, LooksNoFurtherThanTheOptions) {
  const auto asks = [](std::vector<const char*> args) { return asks_for_json(args); };
  EXPECT_TRUE(asks({"inspect", "x", "--json"}));
  EXPECT_TRUE(asks({"validate", "--format", "json"}));
  EXPECT_TRUE(asks({"validate", "--format=json"}));
  EXPECT_FALSE(asks({"inspect", "--", "--json"}));
  EXPECT_FALSE(asks({"validate", "--format"}));
}

}  // namespace
}  // namespace stkit::cli
