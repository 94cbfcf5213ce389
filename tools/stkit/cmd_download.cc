#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "command.h"
#include "hub_environment.h"
#include "log.h"
#include "options.h"
#include "render_download.h"
#include "session.h"
#include "signals.h"
#include "stkit/download.h"
#include "stkit/text.h"

namespace stkit::cli {
namespace {

constexpr uint64_t kMostConnections = 128;

struct Options {
  DownloadOptions download;
  std::string to, token, token_file, endpoint;
  uint64_t files_at_once = 4, connections = 16;
  bool cache = false, offline = false;
};

Result<std::string> token_of(const Options& options) {
  if (options.token_file.empty()) return options.token;
  std::string token = read_token_file(options.token_file);
  if (token.empty())
    return fail(ErrorCode::NotFound, "no token is in this file", "check --token-file",
                options.token_file);
  return token;
}

Result<HubOptions> hub_options(const Options& options, const Session& session) {
  HubOptions hub = session.hub_options(options.endpoint);
  STKIT_ASSIGN(std::string token, token_of(options));
  if (!token.empty()) hub.token = std::move(token);
  hub.offline = hub.offline || options.offline;
  return hub;
}

void log_summary(const DownloadReport& report) {
  const auto taken = std::ranges::count_if(report.files, &DownloadedFile::taken);
  std::string text =
      fmt::format("{}: {} files, {}", report.repo, taken, format_bytes(report.total_bytes));
  if (report.network_bytes == 0)
    text += "; nothing was to be fetched";
  else
    text += fmt::format(", verified; {} fetched in {}", format_bytes(report.network_bytes),
                        format_seconds(report.seconds));
  if (report.resumed_bytes > 0)
    text += fmt::format(", {} taken over", format_bytes(report.resumed_bytes));
  log_info(text);
}

DownloadEvents events_for(const Session& session) {
  DownloadEvents events;
  events.on_notice = [](std::string_view message) { log_warning(printable(message)); };
  events.on_plan = [&session](const DownloadReport& plan) {
    session.tell("plan", [&](JsonWriter& json) { write_plan(json, plan); });
    if (const uint64_t bytes = bytes_to_fetch(plan); bytes > 0)
      log_info(fmt::format("{}: {} of {} to fetch, into {}", plan.repo, format_bytes(bytes),
                           format_bytes(plan.total_bytes), plan.path.string()));
  };
  events.on_file_done = [&session](const DownloadedFile& file, double seconds) {
    session.tell("file_done", [&](JsonWriter& json) { write_file_done(json, file, seconds); });
    log_info(fmt::format("{}: {}, {}", printable(file.name), format_bytes(file.size_bytes),
                         file.digest.empty() ? "the server names no digest" : "verified"));
  };
  events.on_restart = [&session](const DownloadRestart& restart) {
    session.tell("restart", [&](JsonWriter& json) { write_restart(json, restart); });
    log_warning(fmt::format("{}: starts anew: {}", printable(restart.name),
                            printable(restart.cause.message)));
  };
  return events;
}

Result<int> run_download(Options& options, Session& session) {
  DownloadOptions& download_options = options.download;
  if (!options.to.empty()) download_options.to = options.to;
  download_options.files_at_once = static_cast<unsigned>(options.files_at_once);
  download_options.connections = static_cast<unsigned>(options.connections);
  download_options.events = events_for(session);
  STKIT_ASSIGN(download_options.hub, hub_options(options, session));

  auto done = download(download_options, session.run_options());
  if (!done) {
    session.tell("error", [&](JsonWriter& json) { write_failure(json, done.error()); });
    return fail(std::move(done).error());
  }
  const DownloadReport report = *std::move(done);
  session.set_outcome([report](JsonWriter& json) { write_outcome(json, report); });
  if (session.json()) {
    std::string text;
    JsonWriter json(text, session.terminal().is_terminal ? 2 : 0);
    write_json(json, report);
    session.out().write(text + "\n");
  } else if (report.dry_run) {
    render_plan(session.out(), session.terminal(), report);
  } else {
    log_summary(report);
    session.out().write(printable(report.path.string()) + "\n");
  }
  return 0;
}

}  // namespace

Action add_download(CLI::App& command) {
  const auto options = std::make_shared<Options>();
  Options& o = *options;
  command
      .add_option("REPO", o.download.reference, "ORG/NAME, hf://ORG/NAME@REVISION/FILE, or a page")
      ->type_name("REPO")
      ->required();
  add_text(command, "--revision", o.download.revision, "REV", "A branch, a tag or a commit (main)");
  add_texts(command, "--include", o.download.include, "GLOB", "Exactly the files that match one");
  add_texts(command, "--exclude", o.download.exclude, "GLOB", "Not these");
  add_choice(command, "--format", o.download.format, download_formats(),
             "Which weights, where there are several; all: the whole repository");
  CLI::Option* to = add_text(command, "--to", o.to, "DIR", "Into a plain folder");
  command.add_flag("--cache", o.cache, "Into the Hub's cache, as without --to")->excludes(to);
  add_count(command, "--jobs", o.files_at_once, kMostConnections, "Files at once (4)");
  add_count(command, "--connections", o.connections, kMostConnections,
            "Connections, over all files (16)");
  add_size(command, "--limit-rate", o.download.bytes_per_second, "At most SIZE a second");
  CLI::Option* token =
      add_text(command, "--token", o.token, "TOKEN", "Better in a file, or in HF_TOKEN");
  add_text(command, "--token-file", o.token_file, "FILE", "A file that holds the token")
      ->excludes(token);
  add_text(command, "--endpoint", o.endpoint, "URL", "A mirror of the Hub, or a proxy of it");
  command.add_flag("--single-file", o.download.single_file,
                   "Shards become one model.safetensors as they arrive; with --to");
  command.add_flag("--dry-run", o.download.dry_run, "Show which files, and why");
  command.add_flag("--force", o.download.force,
                   "Fetch again what is there; replace what is no download");
  command.add_flag("--offline", o.offline, "Only look into the cache");
  return [options](Session& session) { return run_download(*options, session); };
}

}  // namespace stkit::cli
