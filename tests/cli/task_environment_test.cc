// Which part of a batch is this process's, by flags and by the variables of schedulers.
#include "task_environment.h"

#include <gtest/gtest.h>

#include <map>

namespace stkit::cli {
namespace {

using Variables = std::map<std::string, std::string>;

struct Case {
  std::string name;
  std::optional<uint64_t> index, count;
  Variables variables;
  uint64_t task, of;
  std::string source;
  std::string failure = {};  // part of the message, when it fails
};

const Variables kSlurm = {
    {"SLURM_ARRAY_TASK_ID", "12"}, {"SLURM_ARRAY_TASK_COUNT", "4"}, {"SLURM_ARRAY_TASK_MIN", "10"}};
const Variables kKubernetes = {{"JOB_COMPLETION_INDEX", "3"}};
const Variables kOpenMpi = {{"OMPI_COMM_WORLD_RANK", "1"}, {"OMPI_COMM_WORLD_SIZE", "2"}};

const Case kCases[] = {
    {"nothing", {}, {}, {}, 0, 1, ""},
    {"flags", 2, 5, {}, 2, 5, "--task-index"},
    {"flags win", 2, 5, kSlurm, 2, 5, "--task-index"},
    {"index wins", 0, {}, kSlurm, 0, 4, "--task-index"},
    {"slurm from 10", {}, {}, kSlurm, 2, 4, "SLURM_ARRAY_TASK_ID"},
    {"slurm by fours",
     {},
     {},
     {{"SLURM_ARRAY_TASK_ID", "8"},
      {"SLURM_ARRAY_TASK_COUNT", "4"},
      {"SLURM_ARRAY_TASK_MIN", "0"},
      {"SLURM_ARRAY_TASK_STEP", "4"}},
     2,
     4,
     "SLURM_ARRAY_TASK_ID"},
    {"kubernetes", {}, 4, kKubernetes, 3, 4, "JOB_COMPLETION_INDEX"},
    {"open mpi", {}, {}, kOpenMpi, 1, 2, "OMPI_COMM_WORLD_RANK"},
    {"pmi", {}, {}, {{"PMI_RANK", "0"}, {"PMI_SIZE", "3"}}, 0, 3, "PMI_RANK"},
    {"empty is unset", {}, {}, {{"PMI_RANK", ""}, {"PMI_SIZE", "3"}}, 0, 1, ""},
    {"kubernetes tells no count", {}, {}, kKubernetes, 0, 0, "", "nothing says of how many"},
    {"index alone", 1, {}, {}, 0, 0, "", "nothing says of how many"},
    {"count alone", {}, 2, {}, 0, 0, "", "--task-count needs the index"},
    {"too few", 5, 5, {}, 0, 0, "", "task 5 of 5 does not exist"},
    {"a list of tasks",
     {},
     {},
     {{"SLURM_ARRAY_TASK_ID", "7"}, {"SLURM_ARRAY_TASK_COUNT", "3"}, {"SLURM_ARRAY_TASK_MIN", "1"}},
     0,
     0,
     "",
     "task 6 of 3 does not exist (SLURM_ARRAY_TASK_ID)"},
    {"below the first",
     {},
     {},
     {{"SLURM_ARRAY_TASK_ID", "7"}, {"SLURM_ARRAY_TASK_COUNT", "3"}, {"SLURM_ARRAY_TASK_MIN", "8"}},
     0,
     0,
     "",
     "do not fit together"},
    {"no number", {}, {}, {{"PMI_RANK", "-1"}, {"PMI_SIZE", "3"}}, 0, 0, "", "is '-1', not a"},
};

TEST(TaskEnvironment, IsFoundByFlagsThenByScheduler) {
  for (const Case& row : kCases) {
    SCOPED_TRACE(row.name);
    const Result<Task> task = find_task(row.index, row.count, [&](const char* name) {
      const auto found = row.variables.find(name);
      return found == row.variables.end() ? nullptr : found->second.c_str();
    });
    if (!row.failure.empty()) {
      ASSERT_FALSE(task);
      EXPECT_EQ(task.error().code, ErrorCode::Usage);
      EXPECT_FALSE(task.error().hint.empty());
      EXPECT_NE(task.error().message.find(row.failure), std::string::npos) << task.error().message;
      continue;
    }
    ASSERT_TRUE(task) << task.error().message;
    EXPECT_EQ(task->index, row.task);
    EXPECT_EQ(task->count, row.of);
    EXPECT_EQ(task->source, row.source);
  }
}

}  // namespace
}  // namespace stkit::cli
