#include "stkit/batch.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <system_error>

#include "stkit/disk_space.h"
#include "stkit/json.h"
#include "stkit/text.h"

namespace stkit {
namespace {

namespace fs = std::filesystem;
using SteadyClock = std::chrono::steady_clock;

constexpr std::string_view kStateNames[] = {"planned", "done", "skipped", "failed", "not_run"};

// Says at each step of the work which checkpoint it is about.
class ItemProgress final : public Progress {
 public:
  ItemProgress(Progress& whole, std::string prefix) : whole_(whole), prefix_(std::move(prefix)) {}

  void begin(std::string_view action, std::span<const ProgressItem> items) override {
    whole_.begin(fmt::format("{}: {}", prefix_, action), items);
  }
  void advance(uint32_t item, uint64_t bytes) override { whole_.advance(item, bytes); }
  void set_state(uint32_t item, ItemState state) override { whole_.set_state(item, state); }
  void restart(uint32_t item, uint64_t done_bytes) override { whole_.restart(item, done_bytes); }
  void end(bool ok) override { whole_.end(ok); }

 private:
  Progress& whole_;
  const std::string prefix_;
};

double seconds_since(SteadyClock::time_point start) {
  return std::chrono::duration<double>(SteadyClock::now() - start).count();
}

// The bytes of an output that is whole. Weights are published behind everything else, and an index
// behind its shards, so that what opens as a model was not left half-made.
std::optional<uint64_t> whole_output(const std::string& output, uint64_t max_header_bytes) {
  std::error_code error;
  if (!fs::exists(output, error)) return std::nullopt;
  const Result<Model> model = Model::open(output, {.max_header_bytes = max_header_bytes});
  if (!model) return std::nullopt;
  uint64_t bytes = 0, shards = 0, indexes = 0;
  for (const ModelFile& file : model->files()) {
    bytes += file.size_bytes;
    shards += file.role == FileRole::Weights;
    indexes += file.role == FileRole::Index;
  }
  if (shards > 1 && indexes == 0) return std::nullopt;
  return bytes;
}

bool is_stop(const Error& error) {
  return error.code == ErrorCode::Interrupted || error.code == ErrorCode::Terminated;
}

class BatchRun {
 public:
  BatchRun(const BatchPlan& plan, const RunOptions& run,
           const std::function<void(const BatchOutcome&)>& finished)
      : plan_(plan), run_(run), finished_(finished) {
    for (const BatchItem& item : plan.items) report_.outcomes.emplace_back().item = item;
  }

  // Ends early where the rest must not be looked at.
  void plan_all() {
    for (BatchOutcome& outcome : report_.outcomes) {
      plan_one(outcome);
      if (stops(outcome)) return;
    }
  }

  Result<void> check_space() const {
    uint64_t needed_bytes = 0;
    for (const BatchOutcome& outcome : report_.outcomes)
      if (outcome.state == BatchState::Planned) needed_bytes += outcome.output_bytes;
    const std::optional<uint64_t> available = free_space(plan_.output_folder);
    // With continue_on_error as many as fit are wanted; each is checked by itself.
    if (!available || needed_bytes <= *available || plan_.options.continue_on_error) return {};
    return fail(
        ErrorCode::NoSpace,
        fmt::format("{} outputs need {} bytes and {} are free", report_.count(BatchState::Planned),
                    format_grouped(needed_bytes), format_grouped(*available)),
        "make room, choose some of them with --checkpoint-filter, or take as many as fit "
        "with --continue-on-error",
        plan_.output_folder);
  }

  void merge_all() {
    const auto failed = [&](const BatchOutcome& outcome) { return stops(outcome); };
    if (std::ranges::any_of(report_.outcomes, failed)) {
      not_run();
      return;
    }
    for (size_t i = 0; i < report_.outcomes.size(); ++i) {
      BatchOutcome& outcome = report_.outcomes[i];
      if (outcome.state != BatchState::Planned) continue;
      merge_one(outcome, i);
      if (finished_) finished_(outcome);
      if (stops(outcome)) break;
    }
    not_run();
  }

  BatchReport take() { return std::move(report_); }

 private:
  void plan_one(BatchOutcome& outcome) {
    const MergeOptions& options = plan_.options.merge;
    if (const auto there = plan_.options.skip_existing
                               ? whole_output(outcome.item.output, options.open.max_header_bytes)
                               : std::nullopt) {
      outcome.state = BatchState::Skipped;
      outcome.output_bytes = *there;
    } else if (auto stopped = run_.cancel == nullptr ? Result<void>() : run_.cancel->check();
               !stopped) {
      outcome.state = BatchState::Failed;
      outcome.error = std::move(stopped).error();
    } else if (auto merge = plan_merge(outcome.item); !merge) {
      outcome.state = BatchState::Failed;
      outcome.error = std::move(merge).error();
      if (outcome.error->code == ErrorCode::OutputExists)
        outcome.error->hint =
            "leave outputs alone that are whole with --skip-existing, or replace them with --force";
    } else {
      outcome.state = BatchState::Planned;
      outcome.output_bytes = merge->output_bytes();
      outcome.warnings.assign(merge->warnings().begin(), merge->warnings().end());
    }
    if (finished_ && outcome.state != BatchState::Planned) finished_(outcome);
  }

  void merge_one(BatchOutcome& outcome, size_t index) {
    const auto start = SteadyClock::now();
    RunOptions run = run_;
    std::optional<ItemProgress> progress;
    if (run.progress != nullptr) {
      progress.emplace(*run.progress, fmt::format("[{}/{}] {}", index + 1, report_.outcomes.size(),
                                                  printable(outcome.item.checkpoint.name)));
      run.progress = &*progress;
    }
    auto done = plan_and_merge(outcome.item, run);
    outcome.seconds = seconds_since(start);
    if (done) {
      outcome.state = BatchState::Done;
      outcome.output_bytes = done->output_bytes;
      outcome.report = std::move(*done);
    } else {
      outcome.state = BatchState::Failed;
      outcome.error = std::move(done).error();
    }
  }

  Result<MergePlan> plan_merge(const BatchItem& item) const {
    MergeOptions options = plan_.options.merge;
    // What is there and not whole, an earlier run was killed over.
    options.overwrite |= plan_.options.skip_existing;
    return MergePlan::make(item.checkpoint.path, item.output, options);
  }

  // Planned anew: the checkpoint may have changed while others were merged.
  Result<MergeReport> plan_and_merge(const BatchItem& item, const RunOptions& run) const {
    STKIT_ASSIGN(const MergePlan plan, plan_merge(item));
    return merge(plan, run);
  }

  bool stops(const BatchOutcome& outcome) const {
    return outcome.state == BatchState::Failed &&
           (is_stop(*outcome.error) ||
            (!plan_.options.continue_on_error && !plan_.options.dry_run));
  }

  void not_run() {
    for (BatchOutcome& outcome : report_.outcomes)
      if (outcome.state == BatchState::Planned) outcome.state = BatchState::NotRun;
  }

  const BatchPlan& plan_;
  const RunOptions run_;
  const std::function<void(const BatchOutcome&)>& finished_;
  BatchReport report_;
};

void write_error(JsonWriter& json, const std::optional<Error>& error) {
  json.key("error");
  if (!error) {
    json.null();
    return;
  }
  json.begin_object();
  json.field("code", info(error->code).name).field("exit", info(error->code).exit_code);
  json.field("path", error->path).field("message", error->message).field("hint", error->hint);
  json.end_object();
}

}  // namespace

std::string_view name(BatchState state) { return kStateNames[static_cast<size_t>(state)]; }

uint64_t BatchReport::count(BatchState state) const {
  return static_cast<uint64_t>(std::ranges::count(outcomes, state, &BatchOutcome::state));
}

Result<BatchReport> merge_batch(const BatchPlan& plan, const RunOptions& run,
                                const std::function<void(const BatchOutcome&)>& finished) {
  const auto start = SteadyClock::now();
  BatchRun batch(plan, run, finished);
  batch.plan_all();
  if (!plan.options.dry_run) {
    STKIT_TRY(batch.check_space());
    batch.merge_all();
  }
  BatchReport report = batch.take();
  report.seconds = seconds_since(start);
  return report;
}

void write_json(JsonWriter& json, const BatchPlan& plan, const BatchReport& report) {
  json.begin_object().field("run", plan.run_folder).field("output", plan.output_folder);
  json.field("dry_run", plan.options.dry_run).field("found", plan.found);
  json.field("task_index", plan.options.task_index).field("task_count", plan.options.task_count);
  for (size_t state = 0; state < std::size(kStateNames); ++state)
    json.field(kStateNames[state], report.count(static_cast<BatchState>(state)));
  json.field("seconds", report.seconds).key("items").begin_array();
  for (const BatchOutcome& outcome : report.outcomes) {
    const Checkpoint& checkpoint = outcome.item.checkpoint;
    json.begin_object().field("checkpoint", checkpoint.path).field("name", checkpoint.name);
    json.field("step", checkpoint.step).field("output", outcome.item.output);
    json.field("state", name(outcome.state)).field("output_bytes", outcome.output_bytes);
    json.field("seconds", outcome.seconds).key("warnings").begin_array();
    for (const std::string& warning : outcome.warnings) json.value(warning);
    json.end_array();
    write_error(json, outcome.error);
    json.key("report");
    if (outcome.report)
      write_json(json, *outcome.report);
    else
      json.null();
    json.end_object();
  }
  json.end_array().end_object();
}

}  // namespace stkit
