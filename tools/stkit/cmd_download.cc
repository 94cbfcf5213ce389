#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "command.h"
#include "hub_environment.h"
#include "log.h"
#include "options.h"
#include "session.h"
#include "signals.h"
#include "stkit/download.h"
#include "stkit/text.h"
#include "table.h"

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

std::string_view state_of(const DownloadedFile& file) {
  return !file.taken ? "left" : file.was_there ? "there" : "fetch";
}

void render_plan(Session& session, const DownloadReport& report) {
  const Column columns[] = {
      {}, {.title = "size", .right = true}, {.title = "file", .elastic = true}, {.title = "why"}};
  write_table(session.out(), session.terminal(), columns, report.files.size(),
              [&](size_t i, std::vector<std::string>& cells) {
                const DownloadedFile& file = report.files[i];
                cells = {std::string(state_of(file)), format_bytes(file.size_bytes), file.name,
                         file.reason};
              });
  session.out().write(fmt::format("\n{} to fetch, {} there already: {} at {}\n",
                                  format_bytes(report.total_bytes - report.present_bytes),
                                  format_bytes(report.present_bytes), report.repo,
                                  report.commit.substr(0, 12)));
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

Result<int> run_download(Options& options, Session& session) {
  DownloadOptions& download_options = options.download;
  if (!options.to.empty()) download_options.to = options.to;
  download_options.files_at_once = static_cast<unsigned>(options.files_at_once);
  download_options.connections = static_cast<unsigned>(options.connections);
  download_options.on_notice = [](std::string_view message) { log_warning(printable(message)); };
  STKIT_ASSIGN(download_options.hub, hub_options(options, session));

  STKIT_ASSIGN(const DownloadReport report, download(download_options, session.run_options()));
  if (session.json()) {
    std::string text;
    JsonWriter json(text, session.terminal().is_terminal ? 2 : 0);
    write_json(json, report);
    session.out().write(text + "\n");
  } else if (report.dry_run) {
    render_plan(session, report);
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
  command.add_flag("--dry-run", o.download.dry_run, "Show which files, and why");
  command.add_flag("--force", o.download.force,
                   "Fetch again what is there; replace what is no download");
  command.add_flag("--offline", o.offline, "Only look into the cache");
  return [options](Session& session) { return run_download(*options, session); };
}

}  // namespace stkit::cli
