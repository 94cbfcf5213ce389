#include "render_download.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "stkit/text.h"
#include "table.h"

namespace stkit::cli {
namespace {

std::string_view state_of(const DownloadedFile& file) {
  return !file.taken            ? "left"
         : file.was_there       ? "there"
         : file.found_bytes > 0 ? "resume"
                                : "fetch";
}

uint64_t found_bytes(const DownloadReport& report) {
  uint64_t bytes = 0;
  for (const DownloadedFile& file : report.files) bytes += file.found_bytes;
  return bytes;
}

}  // namespace

uint64_t bytes_to_fetch(const DownloadReport& plan) {
  return plan.total_bytes - plan.present_bytes - found_bytes(plan);
}

void render_plan(Output& out, const Terminal& terminal, const DownloadReport& report) {
  const Column columns[] = {
      {}, {.title = "size", .right = true}, {.title = "file", .elastic = true}, {.title = "why"}};
  write_table(out, terminal, columns, report.files.size(),
              [&](size_t i, std::vector<std::string>& cells) {
                const DownloadedFile& file = report.files[i];
                cells = {std::string(state_of(file)), format_bytes(file.size_bytes), file.name,
                         file.reason};
              });
  out.write(fmt::format("\n{} to fetch, {} there already: {} at {}\n",
                        format_bytes(bytes_to_fetch(report)),
                        format_bytes(report.present_bytes + found_bytes(report)), report.repo,
                        report.commit.substr(0, 12)));
}

void write_plan(JsonWriter& json, const DownloadReport& plan) {
  json.field("bundle", std::ranges::count_if(plan.files, &DownloadedFile::taken) > 1);
  json.field("repo", plan.repo).field("revision", plan.revision).field("commit", plan.commit);
  json.field("dest", plan.path.string());
  json.field("total_size", plan.total_bytes).field("total_bytes", plan.total_bytes);
  json.field("to_download", bytes_to_fetch(plan)).field("cached", plan.present_bytes);
  json.key("files").begin_array();
  for (const DownloadedFile& file : plan.files) {
    if (!file.taken) continue;
    json.begin_object().field("name", file.name).field("size", file.size_bytes);
    json.field("hash", file.digest);
    json.field("action", file.was_there ? "cached" : file.found_bytes > 0 ? "resume" : "download");
    json.field("have", file.was_there ? file.size_bytes : file.found_bytes).end_object();
  }
  json.end_array().key("skipped").begin_array();
  for (const DownloadedFile& file : plan.files) {
    if (file.taken) continue;
    json.begin_object().field("name", file.name).field("size", file.size_bytes);
    json.field("reason", file.reason).end_object();
  }
  json.end_array();
}

void write_file_done(JsonWriter& json, const DownloadedFile& file, double seconds) {
  json.field("name", file.name).field("size", file.size_bytes).field("hash", file.digest);
  json.field("verified", !file.digest.empty());
  json.field("source", file.found_bytes > 0 ? "resumed" : "network");
  json.field("elapsed_s", seconds);
}

void write_restart(JsonWriter& json, const DownloadRestart& restart) {
  json.field("name", restart.name).field("reason", restart.reason);
  json.field("discarded", restart.discarded_bytes).field("message", restart.cause.message);
}

void write_failure(JsonWriter& json, const Error& error) {
  const ErrorCodeInfo& code = info(error.code);
  json.field("name", error.path).field("code", code.name).field("exit", code.exit_code);
  json.field("message", error.message).field("hint", error.hint);
  json.field("resumable", is_resumable(error));
}

void write_outcome(JsonWriter& json, const DownloadReport& report) {
  json.field("path", report.path.string()).field("commit", report.commit);
  json.field("bytes_network", report.network_bytes);
  json.field("bytes_resumed", report.resumed_bytes).field("elapsed_s", report.seconds);
}

}  // namespace stkit::cli
