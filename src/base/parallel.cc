#include "base/parallel.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace stkit {
namespace {

using Job = FunctionRef<Result<void>(size_t index, unsigned worker)>;

// What the threads of one parallel_for share.
class JobQueue {
 public:
  JobQueue(size_t count, const CancelToken* cancel, Job job)
      : count_(count), cancel_(cancel), job_(job) {}

  void work(unsigned worker) {
    while (!stopped_.load(std::memory_order_relaxed)) {
      const size_t index = next_.fetch_add(1, std::memory_order_relaxed);
      if (index >= count_) return;
      if (cancel_ != nullptr && cancel_->cancelled()) return record(index, cancel_->check());
      record(index, run_job(index, worker));
    }
  }

  // REQUIRES: all threads have returned.
  Result<void> result() && { return std::move(first_failure_); }

 private:
  Result<void> run_job(size_t index, unsigned worker) {
    try {
      return job_(index, worker);
    } catch (const std::bad_alloc&) {
      // Beyond this thread's own stack the exception would end the process.
      return fail(ErrorCode::OutOfMemory, "the system has no memory left",
                  "bound the working memory or use fewer threads");
    }
  }

  // Indices are handed out in order, so whatever lies below a failure runs to its end: the lowest
  // failure is the same for any number of threads.
  void record(size_t index, Result<void> result) {
    if (result) return;
    stopped_.store(true, std::memory_order_relaxed);
    const std::lock_guard lock(mutex_);
    if (failed_index_ <= index) return;
    failed_index_ = index;
    first_failure_ = std::move(result);
  }

  const size_t count_;
  const CancelToken* const cancel_;
  const Job job_;
  std::atomic<size_t> next_{0};
  std::atomic<bool> stopped_{false};
  std::mutex mutex_;
  size_t failed_index_ = ~size_t{0};
  Result<void> first_failure_;
};

}  // namespace

unsigned thread_count(const RunOptions& run) {
  return run.threads > 0 ? run.threads : usable_cores();
}

Result<void> parallel_for(size_t count, unsigned threads, const CancelToken* cancel, Job job) {
  JobQueue queue(count, cancel, job);
  {
    std::vector<std::jthread> helpers;
    const size_t wanted = std::min<size_t>(threads, count);
    helpers.reserve(wanted);
    try {
      for (size_t worker = 1; worker < wanted; ++worker)
        helpers.emplace_back([&queue, worker] { queue.work(static_cast<unsigned>(worker)); });
    } catch (const std::system_error&) {
      // The system grants no more threads: those that run share the jobs.
    }
    queue.work(0);
  }
  return std::move(queue).result();
}

}  // namespace stkit
