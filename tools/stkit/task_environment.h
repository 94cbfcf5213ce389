// Which part of a batch is this process's, as the scheduler that started it says.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "stkit/error.h"

namespace stkit::cli {

struct Task {
  uint64_t index = 0, count = 1;
  std::string source;  // "--task-index", "SLURM_ARRAY_TASK_ID"; empty when nothing says
};

// The value of a variable, or null.
using ReadVariable = std::function<const char*(const char* name)>;

// Flags win over the variables of a Slurm array, a Kubernetes indexed Job and MPI, in that order.
// Fails when an index is known and the count is not: each task would do all the work.
Result<Task> find_task(std::optional<uint64_t> index, std::optional<uint64_t> count,
                       const ReadVariable& variable);

}  // namespace stkit::cli
