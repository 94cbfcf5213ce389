#include <exception>
#include <new>
#include <span>
#include <string>

#include "command_line.h"
#include "console.h"
#include "log.h"
#include "output.h"
#include "program.h"
#include "report.h"
#include "secret_arguments.h"
#include "signals.h"

namespace {

// No exception crosses the library's API; what arrives here is memory that ran out, or a bug.
int report_escape(std::span<const char* const> args, stkit::Error error) {
  stkit::cli::Console console(2);
  stkit::cli::start_log(console);
  stkit::cli::Output out(1);
  const int exit_code = stkit::cli::report_error(error, stkit::cli::asks_for_json(args), out);
  return out.flush() ? exit_code : stkit::info(stkit::ErrorCode::WriteFailed).exit_code;
}

}  // namespace

int main(int argc, char** argv) {
  const stkit::cli::SecretArguments arguments(argc, argv);
  const std::span<const char* const> args = arguments.get();
  stkit::cli::install_signal_handlers();
  stkit::cli::report_aborts_as_json(stkit::cli::asks_for_json(args));
  try {
    return stkit::cli::run_program(args);
  } catch (const std::bad_alloc&) {
    return report_escape(args, {stkit::ErrorCode::OutOfMemory,
                                "the system has no memory left",
                                "close other programs, or bound the work with --max-memory",
                                {}});
  } catch (const std::exception& bug) {
    return report_escape(args, {stkit::ErrorCode::Internal,
                                std::string("an unexpected error: ") + bug.what(),
                                "this is a bug in stkit; please report it",
                                {}});
  }
}
