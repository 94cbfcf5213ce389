#include "hub/transfer.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "hub/content_digest.h"
#include "hub/partial_file.h"
#include "hub/rate_limiter.h"

namespace stkit {
namespace {

using namespace std::chrono_literals;
using Time = std::chrono::steady_clock::time_point;

// What is left to a connection is shared with an idle one when it is this much, or when it takes
// longer than TransferOptions::patience still.
constexpr uint64_t kWorthSharing = 8u << 20;
// What a connection gathers before it is written, and for how long.
constexpr size_t kBufferBytes = 256u << 10;
constexpr auto kLongestGathered = 500ms;
// Failures count as one in a row until this much has arrived between them: a line that breaks all
// the time, but brings something, is gone on with.
constexpr uint64_t kProgressBytes = 1u << 20;

struct Piece;

// A file that is being fetched.
struct ActiveFile : std::enable_shared_from_this<ActiveFile> {
  const TransferJob* job = nullptr;
  std::unique_ptr<PartialFile> partial;
  std::shared_ptr<RangeSource> source;
  std::unique_ptr<DigestFollower> follower;
  std::map<uint64_t, uint64_t> unclaimed;  // what nobody fetches yet: first byte, behind the last
  std::list<Piece*> pieces;                // that are being fetched
  unsigned failures = 0;                   // in a row
  // What was begun before has the same cause as the last of those.
  Time quiet_until = {};
  uint64_t bytes_since_failure = 0;
  bool was_restarted = false;
  std::optional<TransferRestart> restart;  // why it is to start anew, once nobody fetches any more
  bool one_stream = false;                 // the server sends nothing but the whole
  bool completing = false;                 // somebody verifies and publishes it
  uint64_t resumed_bytes = 0;
  std::chrono::steady_clock::time_point begun = std::chrono::steady_clock::now();
};

// What one connection fetches.
struct Piece {
  std::shared_ptr<ActiveFile> file;
  ByteRange asked;
  uint64_t first = 0;  // what is written ends here
  Time begun;
  Time last_write;
  std::atomic<bool> given_up = false;  // nobody wants its bytes any more
  CancelToken cancel;

  std::mutex mutex;       // over what follows; may be taken while that of the transfer is held
  uint64_t received = 0;  // what is written or gathered ends here
  uint64_t end = 0;       // comes nearer when another connection takes a share
  Time last_received;
  // Where it was at two moments that are TransferOptions::patience apart, for its speed of late.
  struct Mark {
    Time time;
    uint64_t received = 0;
  } mark, earlier;
};

// How a connection gets on.
struct Pace {
  uint64_t left = 0;
  double speed = 0;    // bytes a second
  bool known = false;  // the speed is not a guess
  std::chrono::duration<double> to_go() const {
    return std::chrono::duration<double>(static_cast<double>(left) / std::max(speed, 1.0));
  }
};

class Transfer {
 public:
  Transfer(Fetcher& fetcher, std::span<const TransferJob> jobs, const TransferOptions& options,
           const RunOptions& run)
      : fetcher_(fetcher),
        jobs_(jobs),
        options_(options),
        run_(run),
        limiter_(options.bytes_per_second, fetcher.policy().clock()) {}

  Result<TransferReport> run() {
    {
      std::vector<std::jthread> workers;
      for (unsigned i = 0; i < std::max(options_.connections, 1u); ++i)
        workers.emplace_back([this] { work(); });
      watch();
    }
    for (const auto& file : files_) file->partial->abandon();
    files_.clear();
    ready_.clear();
    if (error_) return fail(*std::move(error_));
    return report_;
  }

 private:
  // The caller's token cannot wake the workers; it is looked at here.
  void watch() {
    std::unique_lock lock(mutex_);
    while (!over()) {
      changed_.wait_for(lock, 100ms);
      if (run_.cancel != nullptr && run_.cancel->cancelled() && !error_)
        stop(run_.cancel->check().error());
    }
    stopped_.cancel();  // whoever waits to try again need not: another has fetched it
  }

  Time now() const { return fetcher_.policy().clock().now(); }

  // REQUIRES of all below, unless they say otherwise: mutex_ is held.

  bool over() const { return error_ || (next_job_ == jobs_.size() && files_.empty()); }

  void stop(Error error) {
    if (!error_) error_ = std::move(error);
    stopped_.cancel();
    for (const auto& file : files_) {
      file->partial->abandon();
      for (Piece* piece : file->pieces) piece->cancel.cancel();
    }
    changed_.notify_all();
  }

  void stop_at(const ActiveFile& file, Error error) {
    if (run_.progress != nullptr && !error_ && error.code != ErrorCode::Interrupted &&
        error.code != ErrorCode::Terminated)
      run_.progress->set_state(file.job->progress_item, ItemState::Failed);
    stop(std::move(error));
  }

  // Without the mutex.
  void work() {
    std::vector<std::byte> buffer;
    buffer.reserve(kBufferBytes);
    std::unique_lock lock(mutex_);
    while (!over()) {
      if (!ready_.empty()) {
        const std::shared_ptr<ActiveFile> file = ready_.back();
        ready_.pop_back();
        complete(*file, lock);
        continue;
      }
      Piece piece;
      if (!take_piece(piece)) {
        changed_.wait_for(lock, 100ms);
        continue;
      }
      lock.unlock();
      fetch(piece, buffer);
      lock.lock();
    }
    changed_.notify_all();
  }

  bool take_piece(Piece& piece) {
    if (error_) return false;
    while (files_.size() < std::max(options_.files_at_once, 1u) && next_job_ < jobs_.size())
      if (!activate(jobs_[next_job_++])) return false;
    std::shared_ptr<ActiveFile> best;
    for (const auto& file : files_) {
      const bool open =
          !file->unclaimed.empty() && !file->restart && (!file->one_stream || file->pieces.empty());
      if (open && (best == nullptr || file->pieces.size() < best->pieces.size())) best = file;
    }
    if (best == nullptr) return ready_.empty() && steal(piece);
    const auto extent = best->unclaimed.begin();
    const auto [first, extent_end] = *extent;
    const uint64_t size = extent_end - first;
    const uint64_t end = first + (best->one_stream ? size : std::min(size, options_.piece_bytes));
    best->unclaimed.erase(extent);
    if (end < extent_end) best->unclaimed.emplace(end, extent_end);
    begin(piece, best, first, end);
    return true;
  }

  // A share of what the connection that would be the last to end still has to do.
  bool steal(Piece& piece) {
    Piece* slowest = nullptr;
    std::chrono::duration<double> longest{0};
    for (const auto& file : files_) {
      if (file->one_stream || file->restart) continue;
      for (Piece* each : file->pieces) {
        const std::lock_guard lock(each->mutex);
        const Pace pace = pace_of(*each);
        const bool drags = pace.known && pace.to_go() >= options_.patience;
        if ((drags || pace.left >= kWorthSharing) && pace.to_go() > longest) {
          slowest = each;
          longest = pace.to_go();
        }
      }
    }
    return slowest != nullptr && take_share(*slowest, piece);
  }

  // Half of it; more where it would take longer than `patience` for that.
  bool take_share(Piece& from, Piece& piece) {
    const std::lock_guard lock(from.mutex);
    const Pace pace = pace_of(from);
    uint64_t kept = pace.left / 2;
    // On the edge of a block, so that the journal tells of both sides.
    const uint64_t edge =
        ((from.received + kept) / PartialFile::kBlockBytes + 1) * PartialFile::kBlockBytes;
    if (edge < from.end) kept = edge - from.received;
    const std::chrono::duration<double> patience = options_.patience;
    if (pace.known) kept = std::min(kept, static_cast<uint64_t>(pace.speed * patience.count()));
    if (kept == pace.left) return false;  // it went on meanwhile
    const uint64_t end = std::exchange(from.end, from.received + kept);
    if (kept == 0) from.cancel.cancel();
    begin(piece, from.file, from.end, end);
    return true;
  }

  // REQUIRES: piece.mutex is held.
  Pace pace_of(const Piece& piece) const {
    constexpr double kUsualSpeed = 1e6;
    Pace pace{.left = piece.end - piece.received, .speed = kUsualSpeed};
    const std::chrono::duration<double> elapsed = now() - piece.earlier.time;
    pace.known = elapsed >= options_.patience / 4;
    if (now() - piece.last_received >= options_.patience)
      pace.speed = 0;
    else if (pace.known)
      pace.speed = static_cast<double>(piece.received - piece.earlier.received) / elapsed.count();
    return pace;
  }

  // REQUIRES: nobody else knows of `piece` yet.
  void begin(Piece& piece, const std::shared_ptr<ActiveFile>& file, uint64_t first, uint64_t end) {
    piece.file = file;
    piece.asked = {first, end - first};
    piece.first = piece.received = first;
    piece.end = end;
    piece.begun = piece.last_write = piece.last_received = now();
    piece.mark = piece.earlier = {piece.begun, first};
    file->pieces.push_back(&piece);
  }

  bool activate(const TransferJob& job) {
    auto opened = PartialFile::open(options_.calls, job.stem, job.etag,
                                    job.expected.size_bytes.value_or(0), job.placement);
    if (!opened) {
      stop(std::move(opened).error());
      return false;
    }
    const auto file = std::make_shared<ActiveFile>();
    file->job = &job;
    file->partial = *std::move(opened);
    file->source = std::make_shared<RangeSource>(fetcher_, job.url, job.expected);
    // Without a digest nothing would prove what an earlier process left.
    if (!is_content_digest(job.etag) && file->partial->done_bytes() > 0)
      if (auto reset = file->partial->reset(); !reset) {
        stop(std::move(reset).error());
        return false;
      }
    const uint64_t resumed = file->partial->done_bytes();
    report_.resumed_bytes += resumed;
    file->resumed_bytes = resumed;
    if (run_.progress != nullptr) {
      run_.progress->restart(job.progress_item, resumed);
      run_.progress->set_state(job.progress_item, ItemState::Active);
    }
    begin_content(*file);
    files_.push_back(file);
    if (file->unclaimed.empty()) ready_.push_back(file);
    return true;
  }

  void begin_content(ActiveFile& file) {
    for (const ByteRange range : file.partial->missing())
      file.unclaimed.emplace(range.first, range.first + range.size);
    if (is_content_digest(file.job->etag))
      file.follower = std::make_unique<DigestFollower>(*file.partial, file.job->etag);
  }

  // Without the mutex, as are write() and receive().
  void fetch(Piece& piece, std::vector<std::byte>& buffer) {
    const std::shared_ptr<ActiveFile> held = piece.file;
    ActiveFile& file = *held;
    buffer.clear();
    Result<void> written;  // apart: the disk's errors are not the network's
    auto done = file.source->get(piece.asked,
                                 [&](std::span<const std::byte> data) -> Result<bool> {
                                   auto more = receive(piece, buffer, data);
                                   if (more) return *more;
                                   written = fail(std::move(more).error());
                                   return false;
                                 },
                                 {.cut_whole = false, .cancel = &piece.cancel});
    if (written) written = write(piece, buffer);
    std::unique_lock lock(mutex_);
    file.pieces.remove(&piece);
    const bool incomplete = piece.first < piece.end && !piece.given_up;
    if (incomplete) give_back(piece);
    if (!written) return stop_at(file, std::move(written).error());
    if (error_) return;
    if (!done && (incomplete || piece.given_up))
      failed(piece, std::move(done).error(), lock);
    else if (incomplete)
      failed(piece, short_read(file), lock);
    if (error_) return;
    if (file.pieces.empty() && file.restart) restart(file);
    if (!error_ && file.pieces.empty() && file.unclaimed.empty() && !file.completing)
      complete(file, lock);
    changed_.notify_all();
  }

  // False: nothing more is wanted.
  Result<bool> receive(Piece& piece, std::vector<std::byte>& buffer,
                       std::span<const std::byte> data) {
    while (!data.empty() && !piece.given_up) {
      size_t count = 0;
      bool at_end = false;
      {
        const std::lock_guard lock(piece.mutex);
        count = static_cast<size_t>(std::min<uint64_t>(
            {data.size(), piece.end - piece.received, kBufferBytes - buffer.size()}));
        piece.received += count;
        piece.last_received = now();
        if (piece.last_received - piece.mark.time >= options_.patience)
          piece.earlier = std::exchange(piece.mark, {piece.last_received, piece.received});
        at_end = piece.received == piece.end;
      }
      buffer.insert(buffer.end(), data.begin(), data.begin() + static_cast<std::ptrdiff_t>(count));
      data = data.subspan(count);
      const bool for_long = now() - piece.last_write >= kLongestGathered;
      if (at_end || for_long || buffer.size() == kBufferBytes) STKIT_TRY(write(piece, buffer));
      if (at_end) return false;
    }
    return !piece.given_up;
  }

  Result<void> write(Piece& piece, std::vector<std::byte>& buffer) {
    if (buffer.empty() || piece.given_up) return {};
    STKIT_TRY(limiter_.take(buffer.size(), &stopped_));
    STKIT_TRY(piece.file->partial->write(piece.first, buffer));
    piece.last_write = now();
    const std::lock_guard lock(mutex_);
    piece.first += buffer.size();
    piece.file->bytes_since_failure += buffer.size();
    report_.network_bytes += buffer.size();
    if (run_.progress != nullptr)
      run_.progress->advance(piece.file->job->progress_item, buffer.size());
    buffer.clear();
    return {};
  }

  // What a piece did not get is to be fetched by another.
  static void give_back(const Piece& piece) {
    auto& unclaimed = piece.file->unclaimed;
    uint64_t end = piece.end;
    if (const auto next = unclaimed.find(end); next != unclaimed.end()) {
      end = next->second;
      unclaimed.erase(next);
    }
    unclaimed.emplace(piece.first, end);
  }

  static RangeFailure short_read(const ActiveFile& file) {
    return {.fetch = {.error = {ErrorCode::Network,
                                "the server sent too few bytes",
                                {},
                                file.job->url.label()},
                      .transient = true,
                      .reason = "short_read",
                      .url = file.job->url}};
  }

  void failed(const Piece& piece, RangeFailure failure, std::unique_lock<std::mutex>& lock) {
    ActiveFile& file = *piece.file;
    if (file.restart) return;  // it broke, or was broken off, with the others
    if (failure.kind == RangeFailure::Kind::NoRanges && !file.one_stream) {
      file.one_stream = true;
      return begin_restart(file, std::move(failure.fetch));
    }
    if (failure.kind != RangeFailure::Kind::Fetch) {
      failure.fetch.error.code = ErrorCode::Network;
      if (file.was_restarted) return stop_at(file, std::move(failure.fetch.error));
      file.was_restarted = true;
      return begin_restart(file, std::move(failure.fetch));
    }
    const bool counts = is_new_failure(file, failure.fetch, piece.begun);
    if (counts) {
      ++file.failures;
      file.quiet_until = Time::max();
    }
    const unsigned failures = file.failures;
    const RetryNotice notice{.target = file.job->name, .offset_bytes = piece.first};
    if (file.one_stream) begin_restart(file, failure.fetch);
    lock.unlock();
    changed_.notify_all();
    auto waited = fetcher_.wait_to_retry(failure.fetch, failures, notice, &stopped_);
    lock.lock();
    if (counts) file.quiet_until = now();
    if (!waited && !over()) stop_at(file, std::move(waited).error().at(file.job->name));
  }

  // Connections that break together have one cause, and count as one failure; so do the first tries
  // of the others while one waits. A signed address that has expired is none: a new one brings
  // bytes, or is refused.
  static bool is_new_failure(ActiveFile& file, const FetchFailure& failure, Time begun) {
    const bool moves = std::exchange(file.bytes_since_failure, 0) >= kProgressBytes;
    if (moves && !file.one_stream) file.failures = 0;
    return file.failures == 0 || (begun > file.quiet_until && failure.reason != kExpired);
  }

  void begin_restart(ActiveFile& file, FetchFailure failure) {
    if (file.restart) return;
    file.restart = TransferRestart{std::move(failure.reason), std::move(failure.error), 0};
    for (Piece* piece : file.pieces) {
      piece->given_up = true;
      piece->cancel.cancel();
    }
  }

  void restart(ActiveFile& file) {
    file.restart->discarded_bytes = file.partial->done_bytes();
    if (options_.on_restart) options_.on_restart(*file.job, *file.restart);
    if (file.follower) {
      file.partial->abandon();
      (void)file.follower->finish();
      file.follower.reset();
    }
    auto again = PartialFile::open(options_.calls, file.job->stem, file.job->etag,
                                   file.partial->size_bytes(), file.job->placement);
    if (again) {
      file.partial = *std::move(again);
      if (auto reset = file.partial->reset(); !reset) return stop(std::move(reset).error());
    } else {
      return stop(std::move(again).error());
    }
    file.source->reset();
    file.unclaimed.clear();
    file.restart.reset();
    file.resumed_bytes = 0;
    file.bytes_since_failure = 0;
    if (run_.progress != nullptr) run_.progress->restart(file.job->progress_item, 0);
    begin_content(file);
    if (file.unclaimed.empty()) ready_.push_back(file.shared_from_this());
  }

  // All bytes are there. The mutex is given up while they are verified.
  void complete(ActiveFile& file, std::unique_lock<std::mutex>& lock) {
    file.completing = true;
    if (run_.progress != nullptr)
      run_.progress->set_state(file.job->progress_item, ItemState::Verifying);
    lock.unlock();
    auto digest = file.follower ? file.follower->finish() : Result<std::string>(file.job->etag);
    const bool right = digest && *digest == file.job->etag;
    auto published = right ? publish(file) : Result<void>();
    lock.lock();
    if (error_) return;
    if (!digest) return stop_at(file, std::move(digest).error());
    if (!published) return stop_at(file, std::move(published).error());
    if (!right) return mismatch(file, *digest);
    ++report_.files;
    if (run_.progress != nullptr)
      run_.progress->set_state(file.job->progress_item, ItemState::Done);
    std::erase_if(files_, [&](const auto& each) { return each.get() == &file; });
    changed_.notify_all();
  }

  // Without the mutex.
  Result<void> publish(ActiveFile& file) {
    STKIT_TRY(file.partial->publish(file.job->target));
    if (!options_.on_done) return {};
    const std::chrono::duration<double> time = std::chrono::steady_clock::now() - file.begun;
    return options_.on_done(*file.job, {file.resumed_bytes, time.count()});
  }

  // Once is bad luck (a proxy, a broken cable): it is fetched again, from a new address.
  void mismatch(ActiveFile& file, const std::string& digest) {
    Error error{ErrorCode::Checksum,
                fmt::format("the content has the digest {}, but the Hub promised {}", digest,
                            file.job->etag),
                {},
                file.job->name};
    file.follower.reset();
    if (!std::exchange(file.was_restarted, true)) {
      file.restart = TransferRestart{"hash_mismatch", std::move(error), 0};
      file.completing = false;
      restart(file);
      changed_.notify_all();
      return;
    }
    if (const auto aside = file.partial->set_aside())
      error.hint = fmt::format("it was fetched twice; the last content is kept as {}", *aside);
    stop_at(file, std::move(error));
  }

  Fetcher& fetcher_;
  const std::span<const TransferJob> jobs_;
  const TransferOptions& options_;
  const RunOptions& run_;
  RateLimiter limiter_;
  CancelToken stopped_;

  std::mutex mutex_;
  std::condition_variable changed_;
  size_t next_job_ = 0;
  std::vector<std::shared_ptr<ActiveFile>> files_;
  std::vector<std::shared_ptr<ActiveFile>> ready_;  // nothing is missing of them
  std::optional<Error> error_;
  TransferReport report_;
};

}  // namespace

Result<TransferReport> transfer_files(Fetcher& fetcher, std::span<const TransferJob> jobs,
                                      const TransferOptions& options, const RunOptions& run) {
  return Transfer(fetcher, jobs, options, run).run();
}

}  // namespace stkit
