#include "stkit/download.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <set>

#include "base/json_reader.h"
#include "hub/bundle_plan.h"
#include "hub/cache.h"
#include "hub/connect.h"
#include "hub/content_digest.h"
#include "hub/destination.h"
#include "hub/partial_file.h"
#include "hub/reference.h"
#include "hub/remote_file.h"
#include "hub/transfer.h"
#include "io/os_error.h"
#include "io/output_lock.h"
#include "ops/download/single_file.h"
#include "stkit/text.h"

namespace fs = std::filesystem;

namespace stkit {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kFormats[] = {"auto", "safetensors", "gguf", "pytorch", "all"};

// The index of the largest published model takes 60 MB.
constexpr uint64_t kMostIndexBytes = 256u << 20;

constexpr auto kLockPoll = 200ms;

// What a download is made of, step by step.
struct Work {
  const DownloadOptions& options;
  const RunOptions& run;
  std::shared_ptr<HubConnection> hub = {};
  RepoTree tree = {};
  BundlePlan plan = {};
  std::unique_ptr<Destination> destination = {};
  std::vector<RepoFile> taken = {};
  std::set<std::string> present = {};          // paths
  std::map<std::string, uint64_t> found = {};  // bytes of partial files, by path
};

Result<HubReference> parse_reference(const DownloadOptions& options) {
  STKIT_ASSIGN(const Url endpoint, Url::parse(options.hub.endpoint));
  STKIT_ASSIGN(HubReference reference, parse_hub_reference(options.reference, endpoint));
  if (!options.revision.empty()) reference.revision = options.revision;
  return reference;
}

BundleSelection selection_of(const DownloadOptions& options, const HubReference& reference) {
  const auto format = std::ranges::find(kFormats, options.format) - std::begin(kFormats);
  BundleSelection selection{static_cast<WeightFormat>(format), options.include, options.exclude};
  // A file or folder that the reference itself names.
  if (!reference.path.empty()) selection.include = {reference.path, reference.path + "/*"};
  return selection;
}

// The paths that an index names, relative to the repository.
Result<std::set<std::string>> read_index(Work& work, const RepoFile& index) {
  if (index.size_bytes > kMostIndexBytes)
    return fail(
        ErrorCode::Corrupt,
        fmt::format("takes {} bytes, more than any index", format_grouped(index.size_bytes)), {},
        index.path);
  RangeSource source(work.hub->fetcher,
                     work.hub->api.file_url(work.tree.repo, work.tree.commit, index.path),
                     {index.size_bytes, index.sha256, work.tree.commit});
  std::string text(index.size_bytes + kJsonPadding, '\0');
  const auto content = std::span(text).first(index.size_bytes);
  STKIT_TRY(
      read_range(work.hub->fetcher, source, 0, std::as_writable_bytes(content), work.run.cancel));
  std::set<std::string> names;
  auto read = read_json(std::string_view(content.data(), content.size()), [&](JsonCursor root) {
    return root.object([&](std::string_view key, JsonCursor value) -> Result<void> {
      if (key != "weight_map") return value.skip();
      return value.object([&](std::string_view, JsonCursor shard) -> Result<void> {
        STKIT_ASSIGN(const std::string_view name, shard.string());
        names.emplace(name);
        return {};
      });
    });
  });
  if (!read) return fail(std::move(read).error().at(index.path));
  return names;
}

Result<void> make_plan(Work& work, const HubReference& reference) {
  STKIT_ASSIGN(work.tree, work.hub->api.tree(reference.repo, reference.revision, work.run.cancel));
  const BundleSelection selection = selection_of(work.options, reference);
  std::optional<std::set<std::string>> indexed;
  if (const RepoFile* index = index_to_read(work.tree, selection)) {
    STKIT_ASSIGN(indexed, read_index(work, *index));
  }
  STKIT_ASSIGN(work.plan, plan_bundle(work.tree, selection, indexed));
  for (const PlannedFile& planned : work.plan.files)
    if (planned.taken) work.taken.push_back(planned.file);
  return {};
}

Result<void> choose_destination(Work& work) {
  const DestinationOptions options{work.options.force};
  if (work.options.single_file) {
    STKIT_ASSIGN(SingleFile single,
                 plan_single_file(*work.options.to, work.hub, work.tree, work.taken, options));
    work.destination = std::move(single.destination);
    work.taken = std::move(single.files);
    for (PlannedFile& planned : work.plan.files) {
      if (!planned.taken ||
          std::ranges::find(work.taken, planned.file.path, &RepoFile::path) != work.taken.end())
        continue;
      planned.taken = false;
      planned.reason = "a single file needs none";
    }
  } else if (work.options.to) {
    work.destination = folder_destination(*work.options.to, work.tree, options);
  } else if (!work.options.hub.cache_folder.empty()) {
    work.destination = cache_destination(work.options.hub.cache_folder, work.tree, options);
  } else {
    return fail(ErrorCode::Usage, "there is no cache folder: neither HF_HOME nor HOME is set",
                "name a folder with --to");
  }
  return {};
}

uint64_t found_bytes(const Destination::Paths& paths, const RepoFile& file) {
  return PartialFile::found_bytes(SystemCalls::real(), paths.stem, file.etag(), file.size_bytes,
                                  paths.placement);
}

// Looks at what is there. Folders of the user's own are refused before anything is written.
Result<void> find_present(Work& work) {
  work.present.clear();
  work.found.clear();
  for (const RepoFile& file : work.taken) {
    STKIT_ASSIGN(const bool has, work.destination->has(file, work.run.cancel));
    if (has)
      work.present.insert(file.path);
    else if (is_content_digest(file.etag()))
      work.found[file.path] = found_bytes(work.destination->where(file), file);
  }
  return {};
}

void notice(const Work& work, const std::string& message) {
  if (work.options.events.on_notice) work.options.events.on_notice(message);
}

// One download at a time into one place: the second waits for the first, and then finds its files.
struct PlaceLock {
  Descriptor folder;
  std::optional<OutputLock> lock;
};
Result<std::unique_ptr<PlaceLock>> lock_place(const Work& work) {
  SystemCalls& calls = SystemCalls::real();
  const fs::path& path = work.destination->folder();
  STKIT_TRY(make_folders(path));
  auto place = std::make_unique<PlaceLock>();
  place->folder = Descriptor(calls, uninterrupted([&] {
                               return calls.open_at(AT_FDCWD, path.c_str(),
                                                    O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
                             }));
  if (!place->folder.is_open())
    return fail(write_error(errno, path.string(), "the folder cannot be opened"));
  for (bool told = false;; told = true) {
    auto lock = OutputLock::take(calls, place->folder.get(), ".stkit-download.lock", path.string());
    if (lock) {
      place->lock.emplace(*std::move(lock));
      return place;
    }
    if (lock.error().code != ErrorCode::OutputLocked) return fail(std::move(lock).error());
    if (!told) notice(work, fmt::format("{}; waiting for it", lock.error().message));
    STKIT_TRY(work.hub->fetcher.policy().clock().sleep(kLockPoll, work.run.cancel));
  }
}

// What is to be fetched, each content once, and which of the files that gives.
struct Jobs {
  std::vector<TransferJob> transfers;
  std::map<fs::path, std::vector<uint32_t>> files_of_target;  // places in Work::taken
};
Result<Jobs> make_jobs(Work& work) {
  Jobs jobs;
  for (uint32_t i = 0; i < work.taken.size(); ++i) {
    const RepoFile& file = work.taken[i];
    if (work.present.contains(file.path)) continue;
    STKIT_TRY(work.destination->prepare(file));
    const auto [stem, target, placement] = work.destination->where(file);
    std::vector<uint32_t>& files = jobs.files_of_target[target];
    files.push_back(i);
    if (files.size() > 1) continue;
    jobs.transfers.push_back(
        {.name = file.path,
         .url = work.hub->api.file_url(work.tree.repo, work.tree.commit, file.path),
         .expected = {file.size_bytes, file.sha256, work.tree.commit},
         .etag = file.etag(),
         .stem = stem,
         .target = target,
         .progress_item = i,
         .placement = placement});
  }
  return jobs;
}

// Before the first byte, for all files together; what partial files already take is counted.
Result<void> check_space(const Work& work, std::span<const TransferJob> jobs) {
  uint64_t needed = 0;
  for (const TransferJob& job : jobs) {
    struct stat info;
    const std::string part = job.stem.string() + ".incomplete";
    const uint64_t size = job.expected.size_bytes.value_or(0);
    uint64_t taken = 0;
    if (const auto found = work.found.find(job.name);
        job.placement != nullptr && found != work.found.end())
      taken = found->second;
    else if (::stat(part.c_str(), &info) == 0)
      taken = static_cast<uint64_t>(info.st_blocks) * 512;
    needed += size - std::min(size, taken);
  }
  std::error_code error;
  const fs::space_info space = fs::space(work.destination->folder(), error);
  if (error || space.capacity == 0 || space.available >= needed) return {};
  return fail(ErrorCode::NoSpace,
              fmt::format("{} ({} bytes) are needed, {} ({} bytes) are free", format_bytes(needed),
                          format_grouped(needed), format_bytes(space.available),
                          format_grouped(space.available)),
              "free some space, or choose another place with --to or HF_HOME",
              work.destination->folder().string());
}

void begin_progress(Work& work) {
  std::vector<ProgressItem> items;
  for (const RepoFile& file : work.taken) {
    const bool present = work.present.contains(file.path);
    items.push_back({file.path, file.size_bytes, present ? file.size_bytes : work.found[file.path],
                     present ? ItemState::Cached : ItemState::Queued});
  }
  work.run.progress->begin("downloading", items);
}

std::string digest_text(const RepoFile& file) {
  if (!file.sha256.empty()) return "sha256:" + file.sha256;
  return file.git_oid.empty() ? "" : "git:" + file.git_oid;
}

Result<TransferReport> fetch(Work& work, const Jobs& jobs) {
  const DownloadEvents& events = work.options.events;
  TransferOptions transfer{.files_at_once = work.options.files_at_once,
                           .connections = work.options.connections,
                           .bytes_per_second = work.options.bytes_per_second};
  transfer.on_done = [&](const TransferJob& job, const TransferredFile& done) -> Result<void> {
    for (const uint32_t i : jobs.files_of_target.at(job.target)) {
      const RepoFile& file = work.taken[i];
      STKIT_TRY(work.destination->note_done(file));
      if (work.run.progress != nullptr && i != job.progress_item) {
        work.run.progress->restart(i, file.size_bytes);
        work.run.progress->set_state(i, ItemState::Done);
      }
      if (events.on_file_done)
        events.on_file_done({.name = file.path,
                             .size_bytes = file.size_bytes,
                             .digest = digest_text(file),
                             .taken = true,
                             .reason = {},
                             .found_bytes = done.resumed_bytes},
                            done.seconds);
    }
    return {};
  };
  transfer.on_restart = [&](const TransferJob& job, const TransferRestart& restart) {
    if (events.on_restart)
      events.on_restart({job.name, restart.reason, restart.cause, restart.discarded_bytes});
  };
  return transfer_files(work.hub->fetcher, jobs.transfers, transfer, work.run);
}

DownloadReport report_of(const Work& work) {
  DownloadReport report;
  report.repo = work.tree.repo;
  report.revision = work.tree.revision;
  report.commit = work.tree.commit;
  report.dry_run = work.options.dry_run;
  report.path = work.destination->folder();
  for (const PlannedFile& planned : work.plan.files) {
    const RepoFile& file = planned.file;
    const bool present = work.present.contains(file.path);
    const auto found = work.found.find(file.path);
    report.files.push_back({file.path, file.size_bytes, digest_text(file), planned.taken, present,
                            std::string(planned.reason),
                            found == work.found.end() ? 0 : found->second});
    if (planned.taken) report.total_bytes += file.size_bytes;
    if (planned.taken && present) report.present_bytes += file.size_bytes;
  }
  return report;
}

Error with_resume_hint(Error error) {
  if (is_resumable(error))
    error.hint += fmt::format("{}run the same command again to go on with what has arrived",
                              error.hint.empty() ? "" : "; then ");
  return error;
}

Result<DownloadReport> download_offline(const DownloadOptions& options,
                                        const HubReference& reference) {
  if (options.to) return fail(ErrorCode::Usage, "--to needs the network", "leave out --offline");
  DownloadReport report;
  report.repo = reference.repo;
  report.revision = reference.revision;
  STKIT_ASSIGN(report.commit,
               cached_commit(options.hub.cache_folder, reference.repo, reference.revision));
  STKIT_ASSIGN(report.path,
               cached_snapshot(options.hub.cache_folder, reference.repo, reference.revision));
  std::error_code error;
  for (fs::recursive_directory_iterator entry(report.path, error), end; !error && entry != end;
       entry.increment(error)) {
    std::error_code ignored;
    if (!entry->is_regular_file(ignored)) continue;
    const uint64_t size = entry->file_size(ignored);
    report.files.push_back({entry->path().lexically_relative(report.path).string(), size, "", true,
                            true, "in the cache", 0});
    report.total_bytes += size;
    report.present_bytes += size;
  }
  std::ranges::sort(report.files, {}, &DownloadedFile::name);
  return report;
}

}  // namespace

std::span<const std::string_view> download_formats() { return kFormats; }

bool is_resumable(const Error& error) {
  return error.code == ErrorCode::Network || error.code == ErrorCode::Interrupted ||
         error.code == ErrorCode::Terminated || error.code == ErrorCode::NoSpace;
}

Result<DownloadReport> download(const DownloadOptions& options, const RunOptions& run) {
  const auto begun = std::chrono::steady_clock::now();
  if (std::ranges::find(kFormats, options.format) == std::end(kFormats))
    return fail(ErrorCode::Usage, fmt::format("no format '{}'", printable(options.format, 40)));
  STKIT_ASSIGN(const HubReference reference, parse_reference(options));
  if (options.single_file && !options.to)
    return fail(ErrorCode::Usage, "a single file is no part of the Hub's cache",
                "name a folder for it with --to");
  if (options.hub.offline) return download_offline(options, reference);

  Work work{.options = options, .run = run};
  STKIT_ASSIGN(work.hub, connect_hub(options.hub));
  STKIT_TRY(make_plan(work, reference));
  STKIT_TRY(choose_destination(work));
  STKIT_TRY(find_present(work));
  if (options.dry_run) return report_of(work);

  std::unique_ptr<PlaceLock> lock;
  TransferReport transferred;
  if (work.present.size() < work.taken.size()) {
    STKIT_ASSIGN(lock, lock_place(work));
    STKIT_TRY(find_present(work));  // another process may have fetched them meanwhile
    STKIT_ASSIGN(const Jobs jobs, make_jobs(work));
    STKIT_TRY(check_space(work, jobs.transfers));
    if (options.events.on_plan) options.events.on_plan(report_of(work));
    if (run.progress != nullptr) begin_progress(work);
    auto fetched = fetch(work, jobs);
    if (run.progress != nullptr) run.progress->end(fetched.has_value());
    if (!fetched) return fail(with_resume_hint(std::move(fetched).error()));
    transferred = *fetched;
  } else {
    if (options.events.on_plan) options.events.on_plan(report_of(work));
    if (run.progress != nullptr) begin_progress(work);
    if (run.progress != nullptr) run.progress->end(true);
  }
  DownloadReport report = report_of(work);
  STKIT_ASSIGN(report.path, work.destination->finish(work.taken));
  report.network_bytes = transferred.network_bytes;
  report.resumed_bytes = transferred.resumed_bytes;
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  return report;
}

void write_json(JsonWriter& json, const DownloadReport& report) {
  json.begin_object().field("repo", report.repo).field("revision", report.revision);
  json.field("commit", report.commit).field("path", report.path.string());
  json.field("dry_run", report.dry_run).field("total_bytes", report.total_bytes);
  json.field("present_bytes", report.present_bytes).field("resumed_bytes", report.resumed_bytes);
  json.field("network_bytes", report.network_bytes).field("seconds", report.seconds);
  json.key("files").begin_array();
  for (const DownloadedFile& file : report.files) {
    json.begin_object().field("name", file.name).field("bytes", file.size_bytes);
    json.field("digest", file.digest).field("taken", file.taken);
    json.field("was_there", file.was_there).field("found_bytes", file.found_bytes);
    json.field("reason", file.reason).end_object();
  }
  json.end_array().end_object();
}

}  // namespace stkit
