#include "render_merge.h"

#include <fmt/format.h>

#include <algorithm>

#include "stkit/text.h"
#include "table.h"

namespace stkit::cli {
namespace {

struct FileCounts {
  uint64_t weights = 0, tensors = 0, others = 0;
};

FileCounts count_files(const MergePlan& plan) {
  FileCounts counts;
  for (const MergePlan::File& file : plan.files()) {
    counts.tensors += file.tensors;
    (file.is_weights ? counts.weights : counts.others) += 1;
  }
  return counts;
}

uint64_t source_shards(const Model& model) {
  return static_cast<uint64_t>(
      std::ranges::count(model.files(), FileRole::Weights, &ModelFile::role));
}

std::string source_text(const MergePlan& plan) {
  const Model& model = plan.model();
  return fmt::format("{}: {}, {}, {}", printable(model.reference()), name(model.format()),
                     counted(source_shards(model), "file"),
                     counted(model.tensors().size(), "tensor"));
}

std::string tensors_text(const MergePlan& plan, uint64_t tensors) {
  const std::string text = counted(tensors, "tensor");
  if (plan.cast_tensors() == 0) return text + " copied bit for bit";
  if (plan.cast_tensors() == tensors) return text + " cast";
  return text + fmt::format(", {} of them cast", format_grouped(plan.cast_tensors()));
}

std::string files_text(const MergePlan& plan, const FileCounts& counts) {
  std::string text = fmt::format("{} in {}", format_bytes(plan.output_bytes()),
                                 counted(counts.weights, "weight file"));
  if (counts.others > 0) text += fmt::format(" and {}", counted(counts.others, "other"));
  return text;
}

std::string state_text(BatchState state) {
  return state == BatchState::NotRun ? "not run" : std::string(name(state));
}

std::string outcome_text(const BatchOutcome& outcome) {
  if (!outcome.error) return outcome.item.output;
  const Error& error = *outcome.error;
  // The cell of a table is escaped as it is written.
  return error.path.empty() ? error.message : error.path + ": " + error.message;
}

std::string state_counts(const BatchReport& report) {
  std::string text;
  for (const BatchState state : {BatchState::Planned, BatchState::Done, BatchState::Skipped,
                                 BatchState::Failed, BatchState::NotRun})
    if (const uint64_t count = report.count(state); count > 0)
      text += fmt::format("{}{} {}", text.empty() ? "" : ", ", format_grouped(count),
                          state_text(state));
  return text.empty() ? "nothing to do" : text;
}

}  // namespace

void render_merge_plan(Output& out, const Terminal& terminal, const MergePlan& plan,
                       uint64_t peak_memory_bytes, std::optional<uint64_t> free_bytes) {
  const Paint paint(terminal.color);
  const FileCounts counts = count_files(plan);
  out.write(fmt::format("{}  {}\n", paint.bold(printable(plan.output())),
                        paint.dim("(a dry run: nothing is written)")));
  std::vector<Pair> rows = {{"source", source_text(plan)},
                            {"takes", tensors_text(plan, counts.tensors)},
                            {"writes", files_text(plan, counts)},
                            {"memory", fmt::format("at most {}", format_bytes(peak_memory_bytes))}};
  if (free_bytes)
    rows.emplace_back(
        "disk", fmt::format("{} free{}", format_bytes(*free_bytes),
                            plan.output_bytes() > *free_bytes ? ", which is too little" : ""));
  write_pairs(out, terminal, rows);
  write_heading(out, terminal, "Files");
  const Column files[] = {{"", false, true}, {"", true}, {"", true, false, &Paint::dim}};
  write_table(out, terminal, files, plan.files().size(),
              [&](size_t i, std::vector<std::string>& cells) {
                const MergePlan::File& file = plan.files()[i];
                cells = {file.name, format_bytes(file.size_bytes),
                         file.is_weights ? counted(file.tensors, "tensor") : std::string()};
              });
}

void render_merge_result(Output& out, const Terminal& terminal, const MergePlan& plan,
                         const MergeReport& report) {
  const Paint paint(terminal.color);
  const FileCounts counts = count_files(plan);
  std::string text = fmt::format("{}\n  {}; {}", paint.bold(printable(report.output)),
                                 tensors_text(plan, counts.tensors), files_text(plan, counts));
  if (report.model_digest)
    text += fmt::format("\n  verified; model digest {}", *report.model_digest);
  out.write(text + "\n");
}

void render_batch(Output& out, const Terminal& terminal, const BatchPlan& plan,
                  const std::string& task, const BatchReport& report) {
  const Paint paint(terminal.color);
  const Column columns[] = {{"checkpoint", false, true},
                            {"state"},
                            {"size", true},
                            {"time", true},
                            {"output, or what is wrong", false, true}};
  uint64_t bytes = 0;
  write_table(
      out, terminal, columns, report.outcomes.size(),
      [&](size_t i, std::vector<std::string>& cells) {
        const BatchOutcome& outcome = report.outcomes[i];
        const bool ran = outcome.seconds > 0;
        cells = {outcome.item.checkpoint.name, state_text(outcome.state),
                 outcome.output_bytes > 0 ? format_bytes(outcome.output_bytes) : std::string(),
                 ran ? format_seconds(outcome.seconds) : std::string(), outcome_text(outcome)};
      },
      0);
  for (const BatchOutcome& outcome : report.outcomes)
    if (outcome.state == BatchState::Done || outcome.state == BatchState::Planned)
      bytes += outcome.output_bytes;
  const bool failed = report.count(BatchState::Failed) > 0;
  out.write(fmt::format("{}: {}", printable(plan.output_folder),
                        failed ? paint.red(state_counts(report)) : state_counts(report)));
  if (bytes > 0) out.write(", " + format_bytes(bytes));
  if (plan.options.task_count > 1)
    out.write(fmt::format(" ({} of the {} checkpoints: task {} of {} by {})",
                          report.outcomes.size(), plan.found, plan.options.task_index,
                          plan.options.task_count, task));
  out.write("\n");
  if (failed && report.count(BatchState::NotRun) > 0)
    out.write("  the rest is merged all the same with --continue-on-error\n");
}

}  // namespace stkit::cli
