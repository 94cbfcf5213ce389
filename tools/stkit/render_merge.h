// What merge will do and has done, for people.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "output.h"
#include "stkit/batch.h"
#include "stkit/merge.h"
#include "terminal.h"

namespace stkit::cli {

// What `merge --dry-run` prints. `free_bytes` of the output's filesystem, where it says.
void render_merge_plan(Output& out, const Terminal& terminal, const MergePlan& plan,
                       uint64_t peak_memory_bytes, std::optional<uint64_t> free_bytes);

// The path on a line of its own, for scripts, then what it holds.
void render_merge_result(Output& out, const Terminal& terminal, const MergePlan& plan,
                         const MergeReport& report);

void render_batch(Output& out, const Terminal& terminal, const BatchPlan& plan,
                  const std::string& task, const BatchReport& report);

}  // namespace stkit::cli
