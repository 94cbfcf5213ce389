#include "program.h"

#include <fmt/format.h>
#include <unistd.h>

#include "command_line.h"
#include "console.h"
#include "log.h"
#include "manual.h"
#include "output.h"
#include "report.h"
#include "session.h"
#include "stkit/json.h"
#include "stkit/version.h"

namespace stkit::cli {
namespace {

std::string version_text(const BuildInfo& build) {
  std::string text = fmt::format("stkit {}", build.version);
  if (!build.commit.empty()) text += fmt::format(" ({})", build.commit);
  text += fmt::format("\ncompiler   {}, {}\n", build.compiler, build.build_type);
  text += fmt::format("SIMD       {} in use; compiled in: {}\n", build.simd_used,
                      fmt::join(build.simd_compiled, " "));
  std::string libraries;
  for (const auto& [library, version] : build.libraries)
    libraries += fmt::format("{}{} {}", libraries.empty() ? "" : ", ", library, version);
  return text + fmt::format("libraries  {}\n", libraries);
}

std::string version_json(const BuildInfo& build) {
  std::string text;
  JsonWriter json(text, 2);
  json.begin_object().field("name", "stkit").field("version", build.version);
  json.field("commit", build.commit).field("compiler", build.compiler);
  json.field("build_type", build.build_type).key("simd").begin_object();
  json.field("used", build.simd_used).key("compiled").begin_array();
  for (const std::string& target : build.simd_compiled) json.value(target);
  json.end_array().end_object().key("libraries").begin_object();
  for (const auto& [library, version] : build.libraries) json.field(library, version);
  json.end_object().end_object();
  return text + "\n";
}

Result<int> run_invocation(const CommandLine& line, const Invocation& invocation, Output& out,
                           Console& console, bool& json) {
  Session session(line.doc(), invocation.global, out, console);
  STKIT_TRY(configure_log(
      console, {invocation.global.quiet, invocation.global.verbose, invocation.global.log_file}));
  log_debug(fmt::format("stkit {}, {} cores usable", version(), usable_cores()));
  switch (invocation.kind) {
    case Invocation::Kind::ShortHelp:
      session.write_text([&](const Terminal& terminal) {
        return short_help(*invocation.doc, line.doc(), terminal);
      });
      return 0;
    case Invocation::Kind::LongHelp:
      session.write_text([&](const Terminal& terminal) {
        return long_help(*invocation.doc, line.doc(), terminal);
      });
      return 0;
    case Invocation::Kind::Version:
      out.write(session.json() ? version_json(build_info()) : version_text(build_info()));
      return 0;
    case Invocation::Kind::Run: break;
  }
  const Result<int> done = invocation.action(session);
  json = session.json();
  session.finish(done);
  return done;
}

Result<int> run(std::span<const char* const> args, Output& out, Console& console, bool& json) {
  CommandLine line;
  if (args.empty()) {
    console.message(short_help(line.doc().program, line.doc(), console.terminal()));
    return info(ErrorCode::Usage).exit_code;
  }
  STKIT_ASSIGN(const Invocation invocation, line.parse(args));
  return run_invocation(line, invocation, out, console, json);
}

}  // namespace

int run_program(std::span<const char* const> args) {
  Output out(STDOUT_FILENO);
  Console console(STDERR_FILENO);
  start_log(console);
  bool json = asks_for_json(args);
  const Result<int> done = run(args, out, console, json);
  int exit_code = done ? *done : report_error(done.error(), json, out);
  if (const auto written = out.flush(); !written && done)
    exit_code = report_error(written.error(), false, out);
  return exit_code;
}

}  // namespace stkit::cli
