// Consolidating every checkpoint of a training run: many merges, one report.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "stkit/error.h"
#include "stkit/merge.h"
#include "stkit/progress.h"

namespace stkit {

class JsonWriter;

struct Checkpoint {
  std::string path;
  std::string name;  // relative to the run's folder: "checkpoint-500", "global_step_100/actor"
  std::string step;  // the number in its name, as written; empty when there is none
};

// Every folder below `run_folder` that holds weights, of any kind that a training saves, and every
// one that is named like a checkpoint
// ("checkpoint-500", "global_step100") even if none are in it: it should have some. In natural
// order. Nothing inside a checkpoint is one. Not followed: symbolic links (a `latest` that leads to
// a checkpoint is no second one), hidden folders, and `leave_out`.
Result<std::vector<Checkpoint>> find_checkpoints(const std::string& run_folder,
                                                 const std::string& leave_out = {});

struct BatchOptions {
  std::string filter = "*";  // glob of the checkpoints' names
  // {run} is the run's folder, {step} the checkpoint's number (its name when it has none), {name}
  // its name with '_' for '/'. With ".safetensors" at the end each output is one file.
  std::string name_template = "{run}_step_{step}";
  // Leave alone what is whole already. An output that only a part of was published is written
  // again.
  bool skip_existing = false;
  bool continue_on_error = false;
  bool dry_run = false;
  // This task takes the checkpoints whose place among all is `task_index` modulo `task_count`.
  uint64_t task_index = 0;
  uint64_t task_count = 1;
  MergeOptions merge = {};
};

struct BatchItem {
  Checkpoint checkpoint;
  std::string output;
};

struct BatchPlan {
  std::string run_folder, output_folder;
  BatchOptions options;
  uint64_t found = 0;            // checkpoints of all tasks
  std::vector<BatchItem> items;  // of this task
};

// Finds the checkpoints and names their outputs; opens none of them. Fails when there is none, when
// two outputs have one name, or when the outputs would lie inside a checkpoint.
Result<BatchPlan> plan_batch(const std::string& run_folder, const std::string& output_folder,
                             const BatchOptions& options);

enum class BatchState : uint8_t {
  Planned,  // would be written: a dry run
  Done,
  Skipped,  // was there, whole
  Failed,
  NotRun,  // an earlier one failed
};
std::string_view name(BatchState state);  // as in JSON: "planned", "done", ..., "not_run"

struct BatchOutcome {
  BatchItem item;
  BatchState state = BatchState::NotRun;
  uint64_t output_bytes = 0;  // of the plan; of what is there when it was skipped
  double seconds = 0;
  std::vector<std::string> warnings;
  std::optional<MergeReport> report;  // when it is done
  std::optional<Error> error;         // when it failed
};

struct BatchReport {
  std::vector<BatchOutcome> outcomes;  // one an item, in their order
  double seconds = 0;

  uint64_t count(BatchState state) const;
};

// Plans every item, checks that all of them fit on the disk together, then merges one after the
// other. Without `continue_on_error` the first failure ends it, before anything is written if
// planning shows it; a dry run looks at all. `finished` is called from this thread once an item is
// done, skipped or failed.
Result<BatchReport> merge_batch(const BatchPlan& plan, const RunOptions& run,
                                const std::function<void(const BatchOutcome&)>& finished = {});

// The document of `merge --all-checkpoints --json`.
void write_json(JsonWriter& json, const BatchPlan& plan, const BatchReport& report);

}  // namespace stkit
