// download: a model of the Hub, whole and verified, in the shared cache or in a folder.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "stkit/error.h"
#include "stkit/hub.h"
#include "stkit/json.h"
#include "stkit/progress.h"

namespace stkit {

std::span<const std::string_view> download_formats();  // "auto", "safetensors", ...

struct DownloadedFile {
  std::string name;
  uint64_t size_bytes = 0;
  std::string digest;  // "sha256:..." or "git:..."; empty when the server does not say
  bool taken = false;
  bool was_there = false;
  std::string reason;        // why it was taken or left
  uint64_t found_bytes = 0;  // of it, in a partial file that is gone on with
};

struct DownloadReport {
  std::string repo, revision, commit;
  std::filesystem::path path;  // of the model: the snapshot, or the folder
  std::vector<DownloadedFile> files;
  uint64_t total_bytes = 0;    // of what was taken
  uint64_t present_bytes = 0;  // of that, there before
  uint64_t resumed_bytes = 0;  // found in partial files
  uint64_t network_bytes = 0;  // received
  double seconds = 0;
  bool dry_run = false;
};

// What had arrived of a file is thrown away, and it is fetched once more.
struct DownloadRestart {
  std::string name;
  std::string reason;  // "changed", "no_ranges", "hash_mismatch"
  Error cause;
  uint64_t discarded_bytes = 0;
};

// What happens while it runs, for who shows or records it. From any thread.
struct DownloadEvents {
  std::function<void(const DownloadReport& plan)> on_plan = {};  // before the first byte
  std::function<void(const DownloadedFile& file, double seconds)> on_file_done = {};  // verified
  std::function<void(const DownloadRestart& restart)> on_restart = {};
  // Anything else that people want to know: a wait for another process.
  std::function<void(std::string_view message)> on_notice = {};
};

struct DownloadOptions {
  std::string reference;      // ORG/NAME[@REVISION], hf://..., a page of the Hub
  std::string revision = {};  // wins over that of the reference; empty: that, else "main"
  // Globs over whole paths. With `include`, exactly what matches one; else the main weights of
  // `format` and their companions. `exclude` takes away from either.
  std::vector<std::string> include = {}, exclude = {};
  std::string format = "auto";                   // of download_formats()
  std::optional<std::filesystem::path> to = {};  // a plain folder; else the Hub's cache
  unsigned files_at_once = 4;
  unsigned connections = 16;      // over all files
  uint64_t bytes_per_second = 0;  // 0: no limit
  bool single_file = false;       // weights as one model.safetensors, as merge makes it; needs `to`
  bool force = false;             // fetch again what is there, replace what is not a download
  bool dry_run = false;
  HubOptions hub = {};
  DownloadEvents events = {};
};

// Whether the same call again goes on where this error stopped it.
bool is_resumable(const Error& error);

// The revision is resolved to its commit once. Every file is verified (SHA-256, or git's SHA-1)
// before it gets its name, and a snapshot appears when all of it is there. What an earlier try
// left is gone on with. Offline, the answer comes from the cache alone.
Result<DownloadReport> download(const DownloadOptions& options, const RunOptions& run);

void write_json(JsonWriter& json, const DownloadReport& report);

}  // namespace stkit
