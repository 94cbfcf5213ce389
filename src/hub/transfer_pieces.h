// How the bytes of a file are divided among the connections that fetch it.
//
// All of it under the mutex of the transfer, unless it says otherwise.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>

#include "hub/content_digest.h"
#include "hub/partial_file.h"
#include "hub/range_source.h"
#include "hub/transfer.h"
#include "stkit/progress.h"

namespace stkit {

struct TransferPiece;

// A file that is being fetched.
struct ActiveFile : std::enable_shared_from_this<ActiveFile> {
  const TransferJob* job = nullptr;
  std::unique_ptr<PartialFile> partial;
  std::shared_ptr<RangeSource> source;
  std::unique_ptr<DigestFollower> follower;
  std::map<uint64_t, uint64_t> unclaimed;  // what nobody fetches yet: first byte, behind the last
  std::list<TransferPiece*> pieces;        // that are being fetched
  unsigned failures = 0;                   // in a row
  // What was begun before has the same cause as the last of those.
  std::chrono::steady_clock::time_point quiet_until = {};
  uint64_t bytes_since_failure = 0;
  bool was_restarted = false;
  std::optional<TransferRestart> restart;  // why it is to start anew, once nobody fetches any more
  bool one_stream = false;                 // the server sends nothing but the whole
  bool completing = false;                 // somebody verifies and publishes it
  uint64_t resumed_bytes = 0;
  std::chrono::steady_clock::time_point begun = std::chrono::steady_clock::now();
};

// What one connection fetches.
struct TransferPiece {
  std::shared_ptr<ActiveFile> file;
  ByteRange asked;
  uint64_t first = 0;  // what is written ends here
  std::chrono::steady_clock::time_point begun, last_write;
  std::atomic<bool> given_up = false;  // nobody wants its bytes any more
  CancelToken cancel;

  std::mutex mutex;       // over what follows; may be taken while that of the transfer is held
  uint64_t received = 0;  // what is written or gathered ends here
  uint64_t end = 0;       // comes nearer when another connection takes a share
  std::chrono::steady_clock::time_point last_received;
  // Where it was at two moments that are TransferOptions::patience apart, for its speed of late.
  struct Mark {
    std::chrono::steady_clock::time_point time;
    uint64_t received = 0;
  } mark, earlier;
};

// A run of bytes that nobody fetches yet, of at most `most_bytes` unless the server sends nothing
// but the whole. REQUIRES: there is one, and nobody else knows of `piece` yet.
void take_unclaimed(const std::shared_ptr<ActiveFile>& file, uint64_t most_bytes,
                    std::chrono::steady_clock::time_point now, TransferPiece& piece);

// The piece that would be the last to end, of those of which a share is worth a request; or null.
TransferPiece* find_slowest(std::span<const std::shared_ptr<ActiveFile>> files,
                            std::chrono::milliseconds patience,
                            std::chrono::steady_clock::time_point now);

// Gives `piece` a share of what `from` still has to fetch: half of it, more where that would take
// longer than `patience`. False: `from` went on meanwhile. REQUIRES: nobody else knows of `piece`.
bool take_share(TransferPiece& from, std::chrono::milliseconds patience,
                std::chrono::steady_clock::time_point now, TransferPiece& piece);

// What a piece did not get is to be fetched by another.
void give_back(const TransferPiece& piece);

}  // namespace stkit
