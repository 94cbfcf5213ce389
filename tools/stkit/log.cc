#include "log.h"

#include <spdlog/logger.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/spdlog.h>

#include <memory>
#include <mutex>

#include "console.h"

namespace stkit::cli {
namespace {

using spdlog::level::level_enum;

std::string label(level_enum level, const Paint& paint) {
  switch (level) {
    case level_enum::warn: return paint.yellow("warning:");
    case level_enum::info: return paint.dim("info:");
    case level_enum::debug: return paint.dim("debug:");
    default: return paint.red("error:");
  }
}

class ConsoleSink : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit ConsoleSink(Console& console) : console_(console) {}

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    const Paint paint(console_.terminal().color);
    console_.message(label(message.level, paint) + " " +
                     std::string(message.payload.data(), message.payload.size()));
  }
  void flush_() override {}

 private:
  Console& console_;
};

level_enum console_level(const LogOptions& options) {
  if (options.quiet) return level_enum::err;
  if (options.verbose == 0) return level_enum::warn;
  return options.verbose == 1 ? level_enum::info : level_enum::debug;
}

void install(std::vector<spdlog::sink_ptr> sinks) {
  auto logger = std::make_shared<spdlog::logger>("stkit", sinks.begin(), sinks.end());
  logger->set_level(level_enum::debug);
  logger->flush_on(level_enum::warn);
  spdlog::set_default_logger(std::move(logger));
}

}  // namespace

void start_log(Console& console) {
  auto sink = std::make_shared<ConsoleSink>(console);
  sink->set_level(level_enum::warn);
  install({std::move(sink)});
}

Result<void> configure_log(Console& console, const LogOptions& options) {
  auto to_console = std::make_shared<ConsoleSink>(console);
  to_console->set_level(console_level(options));
  std::vector<spdlog::sink_ptr> sinks{std::move(to_console)};
  if (!options.file.empty()) {
    try {
      auto to_file = std::make_shared<spdlog::sinks::basic_file_sink_mt>(options.file);
      to_file->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l %v");
      sinks.push_back(std::move(to_file));
    } catch (const spdlog::spdlog_ex&) {
      return fail(ErrorCode::WriteFailed, "cannot open the log file for writing", {}, options.file);
    }
  }
  install(std::move(sinks));
  return {};
}

void log_error(std::string_view text) { spdlog::default_logger_raw()->error("{}", text); }
void log_warning(std::string_view text) { spdlog::default_logger_raw()->warn("{}", text); }
void log_info(std::string_view text) { spdlog::default_logger_raw()->info("{}", text); }
void log_debug(std::string_view text) { spdlog::default_logger_raw()->debug("{}", text); }

}  // namespace stkit::cli
