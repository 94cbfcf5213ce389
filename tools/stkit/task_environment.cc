#include "task_environment.h"

#include <fmt/format.h>

#include <charconv>

#include "stkit/text.h"

namespace stkit::cli {
namespace {

struct Scheduler {
  const char* index;
  const char* count;  // null: it does not tell its tasks
  const char* first;  // of the indices, and how far they are apart; null: 0 and 1
  const char* step;
};

constexpr Scheduler kSchedulers[] = {
    {"SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT", "SLURM_ARRAY_TASK_MIN",
     "SLURM_ARRAY_TASK_STEP"},
    {"JOB_COMPLETION_INDEX", nullptr, nullptr, nullptr},
    {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", nullptr, nullptr},
    {"PMI_RANK", "PMI_SIZE", nullptr, nullptr},
};

constexpr std::string_view kWayOut = "say it with --task-index I --task-count N";

Result<std::optional<uint64_t>> number_of(const char* name, const ReadVariable& variable) {
  const char* text = name == nullptr ? nullptr : variable(name);
  if (text == nullptr || *text == '\0') return std::nullopt;
  const std::string_view digits = text;
  uint64_t number = 0;
  const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error == std::errc() && stop == digits.data() + digits.size()) return number;
  return fail(ErrorCode::Usage,
              fmt::format("the variable {} is '{}', not a number", name, printable(digits, 40)),
              std::string(kWayOut));
}

// Counted from 0, whatever the scheduler counts from.
Result<std::optional<uint64_t>> index_of(const Scheduler& row, const ReadVariable& variable) {
  STKIT_ASSIGN(const std::optional<uint64_t> index, number_of(row.index, variable));
  if (!index) return std::nullopt;
  STKIT_ASSIGN(const std::optional<uint64_t> first, number_of(row.first, variable));
  STKIT_ASSIGN(const std::optional<uint64_t> step, number_of(row.step, variable));
  const uint64_t from_first = *index - first.value_or(0);
  if (*index >= first.value_or(0) && step.value_or(1) > 0 && from_first % step.value_or(1) == 0)
    return from_first / step.value_or(1);
  return fail(ErrorCode::Usage,
              fmt::format("the variables {} to {} do not fit together", row.index, row.step),
              std::string(kWayOut));
}

}  // namespace

Result<Task> find_task(std::optional<uint64_t> index, std::optional<uint64_t> count,
                       const ReadVariable& variable) {
  Task task;
  if (index) task.source = "--task-index";
  for (const Scheduler& row : kSchedulers) {
    if (index && count) break;
    STKIT_ASSIGN(const std::optional<uint64_t> found, index_of(row, variable));
    if (!found) continue;
    if (!index) {
      index = found;
      task.source = row.index;
    }
    if (!count) {
      STKIT_ASSIGN(count, number_of(row.count, variable));
    }
    break;
  }
  if (!index && !count) return task;
  if (!count)
    return fail(ErrorCode::Usage,
                fmt::format("{} says that this is task {}, and nothing says of how many",
                            task.source, *index),
                "--task-count N; to do all in one task: --task-index 0 --task-count 1");
  if (!index)
    return fail(ErrorCode::Usage, "--task-count needs the index of this task",
                "--task-index I, from 0 on");
  if (*index >= *count)
    return fail(ErrorCode::Usage,
                fmt::format("task {} of {} does not exist ({})", *index, *count, task.source),
                "tasks are counted from 0; " + std::string(kWayOut));
  task.index = *index;
  task.count = *count;
  return task;
}

}  // namespace stkit::cli
