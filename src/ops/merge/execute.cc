#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>

#include "formats/finding_log.h"
#include "io/assembly.h"
#include "io/atomic_output.h"
#include "io/os_error.h"
#include "model/model_digest.h"
#include "ops/merge/left_over.h"
#include "ops/merge/published_files.h"
#include "ops/merge/target.h"
#include "ops/merge/verify.h"
#include "ops/merge/work.h"
#include "ops/merge/write_weights.h"
#include "stkit/text.h"

namespace stkit {
namespace {

namespace fs = std::filesystem;

// An output that is not published yet holds three descriptors: its own, its lock's, its folder's.
size_t max_open_outputs() {
  struct rlimit limit;
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 8;
  return static_cast<size_t>(std::clamp<rlim_t>(limit.rlim_cur / 8, 8, 1024));
}

// One item a file of the output. Ends as failed unless done() was called.
class MergeProgress {
 public:
  MergeProgress(Progress* progress, const MergeWork& work) : progress_(progress) {
    if (progress_ == nullptr) return;
    std::vector<ProgressItem> items;
    for (const MergePlan::File& file : work.files)
      items.push_back({file.name, file.size_bytes, 0, ItemState::Queued});
    progress_->begin("merging", items);
  }
  MergeProgress(const MergeProgress&) = delete;
  MergeProgress& operator=(const MergeProgress&) = delete;
  ~MergeProgress() {
    if (progress_ != nullptr) progress_->end(done_);
  }

  void set_state(size_t file, ItemState state) {
    if (progress_ != nullptr) progress_->set_state(static_cast<uint32_t>(file), state);
  }
  void done() { done_ = true; }

 private:
  Progress* progress_;
  bool done_ = false;
};

class Merge {
 public:
  Merge(SystemCalls& calls, const MergeWork& work, const RunOptions& run)
      : calls_(calls), work_(work), run_(run), progress_(run.progress, work), published_(calls) {}

  Result<MergeReport> execute() {
    const auto start = std::chrono::steady_clock::now();
    for (const MergeWork::Cast& cast : work_.casts) cast.encoding->reset_count();
    if (work_.options.verify) digests_.resize(work_.weights.specs.size());
    STKIT_TRY(check_space(calls_, work_));
    // As many at once as descriptors allow, mostly all: then nothing has its name before all of it
    // is written.
    const size_t group = max_open_outputs();
    for (size_t first = 0; first < work_.outputs.size(); first += group) {
      const size_t last = std::min(first + group, work_.outputs.size());
      STKIT_TRY(write(first, last));
      STKIT_TRY(check_overflows());
      STKIT_TRY(work_.model.check_unchanged());
      if (work_.options.verify) STKIT_TRY(verify(first));
      STKIT_TRY(publish(first));
    }
    STKIT_TRY(remove_stale_indexes());
    published_.keep();
    progress_.done();
    return report(start);
  }

 private:
  Result<void> write(size_t first, size_t last) {
    for (size_t i = first; i < last; ++i) {
      if (run_.cancel != nullptr) STKIT_TRY(run_.cancel->check());
      STKIT_TRY(published_.make_folder(work_.outputs[i].path.parent_path()));
      STKIT_ASSIGN(outputs_.emplace_back(),
                   AtomicOutput::create(
                       calls_, work_.outputs[i].path, work_.files[i].size_bytes,
                       {.overwrite = work_.options.overwrite || work_.outputs[i].is_left_over,
                        .sync = work_.options.sync},
                       Reserve::OnceShared));
    }
    for (size_t i = first; i < last; ++i) {
      progress_.set_state(i, ItemState::Active);
      STKIT_ASSIGN(const AssemblyReport written, write_output(i, *outputs_[i - first]));
      shared_bytes_ += written.shared_bytes;
      if (written.mode == IoMode::Direct) direct_bytes_ += work_.files[i].size_bytes;
    }
    return {};
  }

  Result<AssemblyReport> write_output(size_t index, AtomicOutput& output) {
    const auto item = static_cast<uint32_t>(index);
    const auto& content = work_.outputs[index].content;
    if (const auto* weights = std::get_if<MergeOutput::Weights>(&content))
      return write_weights(work_, weights->index, output, {work_.options.io, run_, item});
    Segment segment;
    segment.size_bytes = work_.files[index].size_bytes;
    segment.progress_item = item;
    if (const auto* copy = std::get_if<MergeOutput::Copy>(&content))
      segment.content = Segment::FileBytes{copy->file, 0};
    else
      segment.content = Segment::MemoryBytes{
          reinterpret_cast<const std::byte*>(std::get<MergeOutput::Text>(content).content.data())};
    const auto open_file = [&](uint32_t file) { return work_.model.open_file(file); };
    return assemble(output, std::span(&segment, segment.size_bytes > 0 ? 1 : 0),
                    {open_file, IoMode::Buffered, run_, work_.model.folder().useful_readers()});
  }

  // All of them are counted before they are refused, so that one run tells what to do about each.
  Result<void> check_overflows() const {
    if (work_.options.on_overflow != Overflow::Error) return {};
    const std::vector<OverflowCount> overflows = count_overflows();
    if (overflows.empty()) return {};
    const OverflowCount& first = overflows.front();
    const DType dtype =
        std::ranges::find(work_.weights.specs, first.tensor, &TensorSpec::name)->dtype;
    const std::string others =
        overflows.size() == 1
            ? std::string()
            : fmt::format("; so are values of {} more tensors", overflows.size() - 1);
    return fail(
        ErrorCode::Unsupported,
        fmt::format("{} values of tensor {} are beyond the range of {}{}",
                    format_grouped(first.values), quoted_name(first.tensor), name(dtype), others),
        "keep such tensors with --keep-dtype, or choose --on-overflow clamp or inf",
        work_.model.reference());
  }

  std::vector<OverflowCount> count_overflows() const {
    std::vector<OverflowCount> overflows;
    for (const MergeWork::Cast& cast : work_.casts)
      if (const uint64_t values = cast.encoding->beyond_count(); values > 0)
        overflows.push_back({work_.weights.specs[cast.recipe].name, values});
    return overflows;
  }

  Result<void> verify(size_t first) {
    for (size_t i = 0; i < outputs_.size(); ++i) {
      const auto* weights = std::get_if<MergeOutput::Weights>(&work_.outputs[first + i].content);
      if (weights == nullptr) continue;
      progress_.set_state(first + i, ItemState::Verifying);
      STKIT_TRY(verify_weights(calls_, work_, weights->index, *outputs_[i], run_, digests_));
    }
    return {};
  }

  std::string model_digest() const {
    std::vector<DigestedTensor> tensors;
    for (size_t i = 0; i < digests_.size(); ++i) {
      const TensorSpec& spec = work_.weights.specs[i];
      tensors.push_back({spec.name, spec.dtype, spec.shape, digests_[i]});
    }
    return combine_digests(std::move(tensors));
  }

  Result<void> publish(size_t first) {
    for (size_t i = 0; i < outputs_.size(); ++i) {
      if (run_.cancel != nullptr) STKIT_TRY(run_.cancel->check());
      STKIT_TRY(publish(*outputs_[i], work_.outputs[first + i]));
      progress_.set_state(first + i, ItemState::Done);
    }
    outputs_.clear();
    return {};
  }

  Result<void> publish(AtomicOutput& written, const MergeOutput& output) {
    if (output.is_left_over) return check_left_over(calls_, output.path, written);
    if (!work_.options.overwrite) STKIT_TRY(published_.add_new_file(output.path, written));
    return written.commit();
  }

  Result<void> remove_stale_indexes() {
    for (const fs::path& index : work_.stale_indexes)
      if (calls_.unlink(AT_FDCWD, index.c_str()) != 0 && errno != ENOENT)
        return fail(write_error(errno, index.string(), "cannot be removed")
                        .with_hint("remove it: it names weights that are not this model's"));
    return {};
  }

  MergeReport report(std::chrono::steady_clock::time_point start) const {
    MergeReport report;
    report.output = work_.output;
    report.output_bytes = work_.output_bytes;
    report.shared_bytes = shared_bytes_;
    report.io = direct_bytes_ > work_.output_bytes / 2 ? IoMode::Direct : IoMode::Buffered;
    report.overflows = count_overflows();
    if (work_.options.verify) report.model_digest = model_digest();
    report.seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return report;
  }

  SystemCalls& calls_;
  const MergeWork& work_;
  const RunOptions& run_;
  MergeProgress progress_;
  PublishedFiles published_;
  std::vector<std::unique_ptr<AtomicOutput>> outputs_;  // of the group, not yet published
  std::vector<std::string> digests_;  // by index of work.weights.specs, when they are verified
  uint64_t shared_bytes_ = 0, direct_bytes_ = 0;
};

}  // namespace

Result<MergeReport> run_merge(SystemCalls& calls, const MergeWork& work, const RunOptions& run) {
  return Merge(calls, work, run).execute();
}

Result<MergeReport> merge(const MergePlan& plan, const RunOptions& run) {
  return run_merge(SystemCalls::real(), MergeAccess::work(plan), run);
}

}  // namespace stkit
