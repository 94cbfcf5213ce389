#include "hub/transfer.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "hub/rate_limiter.h"
#include "hub/transfer_pieces.h"

namespace stkit {
namespace {

using namespace std::chrono_literals;
using Time = std::chrono::steady_clock::time_point;

// What a connection gathers before it is written, and for how long.
constexpr size_t kBufferBytes = 256u << 10;
constexpr auto kLongestGathered = 500ms;
// Failures count as one in a row until this much has arrived between them: a line that breaks all
// the time, but brings something, is gone on with.
constexpr uint64_t kProgressBytes = 1u << 20;

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
      for (TransferPiece* piece : file->pieces) piece->cancel.cancel();
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
      TransferPiece piece;
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

  bool take_piece(TransferPiece& piece) {
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
    take_unclaimed(best, options_.piece_bytes, now(), piece);
    return true;
  }

  // A share of what the connection that would be the last to end still has to do.
  bool steal(TransferPiece& piece) {
    TransferPiece* const slowest = find_slowest(files_, options_.patience, now());
    return slowest != nullptr && take_share(*slowest, options_.patience, now(), piece);
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
  void fetch(TransferPiece& piece, std::vector<std::byte>& buffer) {
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
  Result<bool> receive(TransferPiece& piece, std::vector<std::byte>& buffer,
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

  Result<void> write(TransferPiece& piece, std::vector<std::byte>& buffer) {
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

  static RangeFailure short_read(const ActiveFile& file) {
    return {.fetch = {.error = {ErrorCode::Network,
                                "the server sent too few bytes",
                                {},
                                file.job->url.label()},
                      .transient = true,
                      .reason = "short_read",
                      .url = file.job->url}};
  }

  void failed(const TransferPiece& piece, RangeFailure failure,
              std::unique_lock<std::mutex>& lock) {
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
    for (TransferPiece* piece : file.pieces) {
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
