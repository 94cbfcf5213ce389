#include "session.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <optional>

#include "hub_environment.h"
#include "log.h"
#include "report.h"
#include "signals.h"
#include "stkit/json.h"
#include "stkit/text.h"

namespace stkit::cli {
namespace {

ColorMode color_mode(std::string_view name) {
  return name == "always"  ? ColorMode::Always
         : name == "never" ? ColorMode::Never
                           : ColorMode::Auto;
}

std::unique_ptr<ProgressTracker> make_progress(const GlobalOptions& global, Console& console) {
  std::string_view style = global.progress;
  if (style == "auto")
    style = global.quiet ? "none" : console.terminal().is_terminal ? "bar" : "plain";
  if (style == "bar") return std::make_unique<ProgressTracker>(make_progress_bar(console));
  if (style == "plain") return std::make_unique<ProgressTracker>(make_plain_progress(console));
  if (style == "json") return std::make_unique<ProgressTracker>(make_json_progress(console));
  return nullptr;
}

}  // namespace

Session::Session(const ProgramDoc& program, const GlobalOptions& global, Output& out,
                 Console& console)
    : program_(program),
      global_(global),
      out_(out),
      terminal_(look_at(STDOUT_FILENO, color_mode(global.color))),
      paint_(terminal_.color),
      json_(global.json) {
  console.set_color(color_mode(global.color));
  progress_ = make_progress(global, console);
}

RunOptions Session::run_options() const {
  return {static_cast<unsigned>(global_.threads), global_.max_memory_bytes, progress_.get(),
          &cancel_token()};
}

HubOptions Session::hub_options(const std::string& endpoint) const {
  const auto variable = [](const char* name) {
    const char* const value = std::getenv(name);
    return std::string(value == nullptr ? "" : value);
  };
  HubOptions options = hub_options_from(variable, endpoint);
  options.cancel = &cancel_token();
  options.on_retry = [this](const HubRetry& retry) {
    tell("retry", [&](JsonWriter& json) {
      json.field("name", retry.target).field("attempt", retry.attempt);
      json.field("max", retry.most_attempts).field("reason", retry.reason);
      json.field("wait_s", retry.wait_seconds);
      if (retry.offset_bytes) json.field("offset", *retry.offset_bytes);
    });
    const std::string text =
        fmt::format("{}: {}; try {} of {} in {}", printable(retry.target), retry.reason,
                    retry.attempt + 1, retry.most_attempts, format_seconds(retry.wait_seconds));
    // One is nothing to worry about; more of them explain why nothing moves.
    if (retry.attempt > 1)
      log_warning(text);
    else
      log_info(text);
  };
  return options;
}

void Session::write_text(const std::function<std::string(const Terminal&)>& text) {
  if (!json_) return out_.write(text(terminal_));
  std::string document;
  JsonWriter(document).begin_object().field("text", text(Terminal{})).end_object();
  out_.write(document + "\n");
}

void Session::tell(std::string_view event, const EventFields& fields) const {
  if (progress_) progress_->tell(event, fields);
}

void Session::finish(const Result<int>& done) {
  if (!progress_) return;
  if (done) return progress_->finish(*done, outcome_);
  const Error& error = done.error();
  progress_->finish(info(error.code).exit_code, [&](JsonWriter& json) {
    json.key("error");
    write_error(json, error);
  });
}

}  // namespace stkit::cli
