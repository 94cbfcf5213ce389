// Messages for people, on stderr and in a log file, through spdlog's default logger.
#pragma once

#include <string>
#include <string_view>

#include "stkit/error.h"

namespace stkit::cli {

class Console;

struct LogOptions {
  bool quiet = false;    // errors only
  unsigned verbose = 0;  // 1: decisions, 2: debug
  std::string file;      // gets everything up to debug; empty for none
};

// Until this is called, warnings and errors go to `console`. It must outlive all logging.
void start_log(Console& console);
Result<void> configure_log(Console& console, const LogOptions& options);

void log_error(std::string_view text);
void log_warning(std::string_view text);
void log_info(std::string_view text);
void log_debug(std::string_view text);

}  // namespace stkit::cli
