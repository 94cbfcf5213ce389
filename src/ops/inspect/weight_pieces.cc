#include "ops/inspect/weight_pieces.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <optional>

#include "base/check.h"
#include "base/parallel.h"
#include "io/mapped_read.h"
#include "kernels/stats.h"

namespace stkit {
namespace {

// One job's share: what a thread has in memory of a mapped file, 0.1 ms of work, and few enough
// partial results (72 bytes each) for a model of a terabyte.
constexpr uint64_t kPieceBytes = uint64_t{2} << 20;

// Of a file that is not mapped. The buffer stays in the L2 cache: reading by 256 KiB ran at 7.2
// GB/s a core from the page cache, by 1 MiB at 6.9 (EPYC Milan).
constexpr size_t kReadBytes = 256 * 1024;

// Tensors that lie this close together are read in one go, the gap included.
constexpr uint64_t kLargestGap = 64 * 1024;

// R0: whatever the model, and however many cores.
constexpr uint64_t kDefaultMemoryBytes = uint64_t{64} << 20;

uint64_t bytes_of(const DTypeInfo& type, uint64_t elements) {
  return elements / type.block_elements * type.block_bytes;
}

// The largest multiple of kStatsBlockElements that fits.
uint64_t elements_in(const DTypeInfo& type, uint64_t bytes) {
  const uint64_t blocks = bytes / bytes_of(type, kernels::kStatsBlockElements);
  STKIT_CHECK(blocks > 0);
  return blocks * kernels::kStatsBlockElements;
}

// Pieces that are read together: one run of a file, or one piece of a scattered tensor.
struct Job {
  size_t first_piece = 0, end_piece = 0;
  ByteRun run;
  uint64_t weight_bytes = 0;  // without gaps
};

ByteRun run_of(const TensorInfo& tensor, const WeightPiece& piece) {
  const DTypeInfo& type = info(tensor.dtype);
  return {tensor.file, tensor.offset_bytes + bytes_of(type, piece.first_element),
          bytes_of(type, piece.element_count)};
}

std::vector<Job> plan_jobs(const Model& model, std::span<const WeightPiece> pieces) {
  std::vector<Job> jobs;
  bool extensible = false;
  for (size_t i = 0; i < pieces.size(); ++i) {
    const TensorInfo& tensor = model.tensors()[pieces[i].tensor];
    const ByteRun run = run_of(tensor, pieces[i]);
    if (extensible && tensor.contiguous) {
      Job& last = jobs.back();
      const uint64_t end = last.run.offset_bytes + last.run.size_bytes;
      if (run.file == last.run.file && run.offset_bytes >= end &&
          run.offset_bytes - end <= kLargestGap &&
          run.offset_bytes + run.size_bytes - last.run.offset_bytes <= kPieceBytes) {
        last.end_piece = i + 1;
        last.run.size_bytes = run.offset_bytes + run.size_bytes - last.run.offset_bytes;
        last.weight_bytes += run.size_bytes;
        continue;
      }
    }
    jobs.push_back({i, i + 1, run, run.size_bytes});
    extensible = tensor.contiguous;
  }
  return jobs;
}

// One item a weight file. Ends as failed unless done() was called.
class FileProgress {
 public:
  FileProgress(Progress* progress, std::string_view action, const Model& model,
               std::span<const Job> jobs)
      : progress_(progress) {
    if (progress_ == nullptr) return;
    item_of_file_.resize(model.files().size());
    std::vector<ProgressItem> items;
    std::vector<bool> seen(model.files().size());
    for (const Job& job : jobs) {
      const uint32_t file = job.run.file;
      if (!seen[file]) {
        seen[file] = true;
        item_of_file_[file] = static_cast<uint32_t>(items.size());
        items.push_back({model.files()[file].name, 0, 0, ItemState::Queued});
      }
      items[item_of_file_[file]].size_bytes += job.weight_bytes;
    }
    states_ = std::vector<State>(items.size());
    for (size_t i = 0; i < items.size(); ++i) states_[i].left_bytes = items[i].size_bytes;
    progress_->begin(action, items);
  }
  FileProgress(const FileProgress&) = delete;
  FileProgress& operator=(const FileProgress&) = delete;
  ~FileProgress() {
    if (progress_ != nullptr) progress_->end(done_);
  }

  void start(const Job& job) {
    if (progress_ == nullptr) return;
    const uint32_t item = item_of_file_[job.run.file];
    if (!states_[item].active.exchange(true)) progress_->set_state(item, ItemState::Active);
  }
  void finish(const Job& job) {
    if (progress_ == nullptr) return;
    const uint32_t item = item_of_file_[job.run.file];
    progress_->advance(item, job.weight_bytes);
    if (states_[item].left_bytes.fetch_sub(job.weight_bytes) == job.weight_bytes)
      progress_->set_state(item, ItemState::Done);
  }
  void fail(const Job& job) {
    if (progress_ != nullptr) progress_->set_state(item_of_file_[job.run.file], ItemState::Failed);
  }
  void done() { done_ = true; }

 private:
  struct State {
    std::atomic<bool> active{false};
    std::atomic<uint64_t> left_bytes{0};
  };
  Progress* progress_;
  std::vector<uint32_t> item_of_file_;
  std::vector<State> states_;
  bool done_ = false;
};

class Reader {
 public:
  Reader(const Model& model, std::span<const WeightPiece> pieces, UseWeights use)
      : model_(model), pieces_(pieces), use_(use) {}

  Result<void> run(const Job& job, unsigned worker, std::span<std::byte> buffer) const {
    if (!tensor_of(job.first_piece).contiguous) return read_scattered(job, worker, buffer);
    STKIT_ASSIGN(const auto file, model_.open_file(job.run.file));
    const uint64_t end = job.run.offset_bytes + job.run.size_bytes;
    // Mapped, a page cache of large folios (what large writes and read-ahead leave) is read at the
    // speed of memory, 20 GB/s a core, where pread reaches 7.2; of single pages at 6.0. Advice made
    // it no better: MADV_POPULATE_READ takes page after page, MADV_WILLNEED halved a cold read.
    if (end <= file->mapped().size()) return use_mapping(*file, job, worker);
    return read_run(*file, job, worker, buffer);
  }

 private:
  const TensorInfo& tensor_of(size_t piece) const {
    return model_.tensors()[pieces_[piece].tensor];
  }

  Result<void> use_mapping(const RandomAccessFile& file, const Job& job, unsigned worker) const {
    const auto use_all = [&](std::span<const std::byte> bytes) {
      for (size_t i = job.first_piece; i < job.end_piece; ++i) {
        const ByteRun run = run_of(tensor_of(i), pieces_[i]);
        use_(i, worker,
             bytes.subspan(static_cast<size_t>(run.offset_bytes - job.run.offset_bytes),
                           static_cast<size_t>(run.size_bytes)));
      }
    };
    auto result = use_mapped(file, job.run.offset_bytes, job.run.size_bytes, use_all);
    file.release_mapped(job.run.offset_bytes, job.run.size_bytes);
    return result;
  }

  // The buffer is filled as far as the job goes, so small tensors share a read.
  Result<void> read_run(const RandomAccessFile& file, const Job& job, unsigned worker,
                        std::span<std::byte> buffer) const {
    const uint64_t job_end = job.run.offset_bytes + job.run.size_bytes;
    uint64_t begin = 0, end = 0;  // of what the buffer holds
    for (size_t i = job.first_piece; i < job.end_piece; ++i) {
      const TensorInfo& tensor = tensor_of(i);
      const uint64_t most =
          bytes_of(info(tensor.dtype), elements_in(info(tensor.dtype), kReadBytes));
      ByteRun rest = run_of(tensor, pieces_[i]);
      while (rest.size_bytes > 0) {
        const uint64_t size = std::min(most, rest.size_bytes);
        if (rest.offset_bytes + size > end) {
          begin = rest.offset_bytes;
          end = std::min(begin + buffer.size(), job_end);
          STKIT_TRY(file.read_at(begin, buffer.first(static_cast<size_t>(end - begin))));
        }
        use_(i, worker,
             buffer.subspan(static_cast<size_t>(rest.offset_bytes - begin),
                            static_cast<size_t>(size)));
        rest.offset_bytes += size;
        rest.size_bytes -= size;
      }
    }
    return {};
  }

  Result<void> read_scattered(const Job& job, unsigned worker, std::span<std::byte> buffer) const {
    const WeightPiece& piece = pieces_[job.first_piece];
    const TensorInfo& tensor = tensor_of(job.first_piece);
    const DTypeInfo& type = info(tensor.dtype);
    const uint64_t most = elements_in(type, kReadBytes);
    for (uint64_t done = 0; done < piece.element_count;) {
      const uint64_t count = std::min(most, piece.element_count - done);
      const auto part = buffer.first(static_cast<size_t>(bytes_of(type, count)));
      STKIT_TRY(model_.read(tensor, piece.first_element + done, count, part));
      use_(job.first_piece, worker, part);
      done += count;
    }
    return {};
  }

  const Model& model_;
  const std::span<const WeightPiece> pieces_;
  const UseWeights use_;
};

}  // namespace

std::vector<WeightPiece> cut_into_pieces(const Model& model, std::span<const uint32_t> tensors) {
  std::vector<WeightPiece> pieces;
  for (const uint32_t index : tensors) {
    const TensorInfo& tensor = model.tensors()[index];
    const uint64_t most = elements_in(info(tensor.dtype), kPieceBytes);
    for (uint64_t first = 0; first < tensor.element_count; first += most)
      pieces.push_back({index, first, std::min(most, tensor.element_count - first)});
  }
  return pieces;
}

unsigned weight_threads(const RunOptions& run) {
  const uint64_t memory = run.max_memory_bytes > 0 ? run.max_memory_bytes : kDefaultMemoryBytes;
  return static_cast<unsigned>(std::clamp<uint64_t>(memory / kPieceBytes, 1, thread_count(run)));
}

Result<void> read_pieces(const Model& model, std::span<const WeightPiece> pieces,
                         std::string_view action, const RunOptions& run, UseWeights use) {
  const std::vector<Job> jobs = plan_jobs(model, pieces);
  const Reader reader(model, pieces, use);
  FileProgress progress(run.progress, action, model, jobs);
  const unsigned threads = weight_threads(run);
  std::vector<std::unique_ptr<std::byte[]>> buffers(threads);
  const auto work = [&](size_t index, unsigned worker) -> Result<void> {
    if (!buffers[worker]) buffers[worker] = std::make_unique_for_overwrite<std::byte[]>(kReadBytes);
    const Job& job = jobs[index];
    progress.start(job);
    auto result = reader.run(job, worker, {buffers[worker].get(), kReadBytes});
    result ? progress.finish(job) : progress.fail(job);
    return result;
  };
  STKIT_TRY(parallel_for(jobs.size(), threads, run.cancel, work));
  STKIT_TRY(model.check_unchanged());
  progress.done();
  return {};
}

}  // namespace stkit
