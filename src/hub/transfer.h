// Many files over many connections: whole and verified, or to be gone on with.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>

#include "hub/fetch.h"
#include "hub/partial_file.h"
#include "hub/range_source.h"
#include "io/system_calls.h"
#include "stkit/error.h"
#include "stkit/progress.h"

namespace stkit {

struct TransferJob {
  std::string name;  // for messages
  Url url = {};
  ExpectedFile expected = {};    // REQUIRES: with the size
  std::string etag;              // what binds a partial file to its content; a digest, or empty
  std::filesystem::path stem;    // of the partial file; its folder exists
  std::filesystem::path target;  // on the same filesystem; its folder exists
  uint32_t progress_item = 0;
  const Placement* placement = nullptr;  // the content becomes part of another file, not `target`
};

// How a file came to be whole.
struct TransferredFile {
  uint64_t resumed_bytes = 0;  // of an earlier try
  double seconds = 0;
};

// Why what had arrived of a file was thrown away.
struct TransferRestart {
  std::string reason;  // "changed", "no_ranges", "hash_mismatch"
  Error cause;
  uint64_t discarded_bytes = 0;
};

struct TransferOptions {
  unsigned files_at_once = 4;
  unsigned connections = 16;      // over all files
  uint64_t bytes_per_second = 0;  // over all connections; 0: no limit
  // One request. Long enough that the wait for its answer does not count, short enough that the
  // front of a file, which is hashed, stays near its end.
  uint64_t piece_bytes = 64u << 20;
  // What a connection would need longer than this for, an idle one takes a share of. Less than a
  // new request costs is not worth one.
  std::chrono::milliseconds patience{4000};
  SystemCalls& calls = SystemCalls::real();
  // Called once each file is under its name; from any thread.
  std::function<Result<void>(const TransferJob& job, const TransferredFile& file)> on_done = {};
  // The source of a file changed, or its content was wrong: it is fetched once more from its start.
  std::function<void(const TransferJob& job, const TransferRestart& restart)> on_restart = {};
};

struct TransferReport {
  uint64_t network_bytes = 0;  // received for contents
  uint64_t resumed_bytes = 0;  // found in partial files
  unsigned files = 0;          // that got their name
};

// Connections take the next piece of the file that has the fewest; one that finds none left takes
// half of what the last to end still has to do. The first error stops everything; what has arrived
// stays, and the next call goes on with it.
Result<TransferReport> transfer_files(Fetcher& fetcher, std::span<const TransferJob> jobs,
                                      const TransferOptions& options, const RunOptions& run);

}  // namespace stkit
