#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <system_error>

#include "io/output_conflict.h"
#include "io/safe_name.h"
#include "stkit/batch.h"
#include "stkit/text.h"

namespace stkit {
namespace {

namespace fs = std::filesystem;

struct TemplateField {
  std::string_view name;
  std::string (*value)(const std::string& run, const Checkpoint& checkpoint);
};

std::string flat_name(const Checkpoint& checkpoint) {
  std::string name = checkpoint.name;
  std::ranges::replace(name, '/', '_');
  return name;
}

constexpr TemplateField kTemplateFields[] = {
    {"run", [](const std::string& run, const Checkpoint&) { return run; }},
    {"step",
     [](const std::string&, const Checkpoint& checkpoint) {
       return checkpoint.step.empty() ? flat_name(checkpoint) : checkpoint.step;
     }},
    {"name",
     [](const std::string&, const Checkpoint& checkpoint) { return flat_name(checkpoint); }},
};

std::string field_list() {
  std::vector<std::string> names;
  for (const TemplateField& row : kTemplateFields) names.push_back(fmt::format("{{{}}}", row.name));
  return fmt::format("a template is text with {}", fmt::join(names, ", "));
}

Result<std::string> fill_in(std::string_view name_template, const std::string& run,
                            const Checkpoint& checkpoint) {
  std::string name;
  for (std::string_view rest = name_template; !rest.empty();) {
    const size_t open = rest.find_first_of("{}");
    name += rest.substr(0, open);
    if (open == std::string_view::npos) break;
    const size_t close = rest.find('}', open);
    if (rest[open] == '}' || close == std::string_view::npos)
      return fail(ErrorCode::Usage,
                  fmt::format("the name template '{}' has a brace without its other half",
                              printable(name_template)),
                  field_list());
    const std::string_view word = rest.substr(open + 1, close - open - 1);
    const auto row = std::ranges::find(kTemplateFields, word, &TemplateField::name);
    if (row == std::end(kTemplateFields))
      return fail(ErrorCode::Usage,
                  fmt::format("the name template '{}' asks for '{{{}}}', which is unknown",
                              printable(name_template), printable(word)),
                  field_list());
    name += row->value(run, checkpoint);
    rest.remove_prefix(close + 1);
  }
  if (name.contains('/') || !check_relative_name(name))
    return fail(ErrorCode::Usage,
                fmt::format("the name template '{}' gives '{}', which cannot name an output",
                            printable(name_template), printable(name)),
                "a template makes one name in the output folder, without '/'");
  return name;
}

// Also of "." and "runs/": what the folder is called, not how it was written.
std::string run_name(const std::string& run_folder) {
  std::error_code error;
  const fs::path real = fs::canonical(run_folder, error);
  return (error ? fs::path(run_folder) : real).filename().string();
}

Error none_found(const std::string& run_folder, const BatchOptions& options, size_t before_filter) {
  if (before_filter > 0)
    return {
        ErrorCode::NotFound,
        fmt::format("none of its {} checkpoints matches '{}'", before_filter,
                    printable(options.filter)),
        "the pattern is held against a checkpoint's path below this folder, as in 'checkpoint-*'",
        run_folder};
  return {ErrorCode::NotFound, "no checkpoint below this folder",
          "checkpoints are folders that hold weights; symbolic links and hidden folders are not "
          "followed. To merge this folder itself leave --all-checkpoints out",
          run_folder};
}

Result<void> check_task(const BatchOptions& options) {
  if (options.task_count > 0 && options.task_index < options.task_count) return {};
  return fail(ErrorCode::Usage,
              fmt::format("task {} of {} does not exist", options.task_index, options.task_count),
              "tasks are counted from 0, and there is at least one");
}

Result<void> check_names(std::span<const BatchItem> items) {
  std::map<std::string_view, const BatchItem*> by_output;
  for (const BatchItem& item : items) {
    const auto [first, is_new] = by_output.emplace(item.output, &item);
    if (!is_new)
      return fail(
          ErrorCode::Usage,
          fmt::format("checkpoints '{}' and '{}' would both be written here",
                      printable(first->second->checkpoint.name), printable(item.checkpoint.name)),
          "tell them apart with --name-template '{name}', or choose some of them with "
          "--checkpoint-filter",
          item.output);
  }
  return {};
}

}  // namespace

Result<BatchPlan> plan_batch(const std::string& run_folder, const std::string& output_folder,
                             const BatchOptions& options) {
  STKIT_TRY(check_task(options));
  std::error_code not_there;
  if (fs::equivalent(run_folder, output_folder, not_there))
    return fail(ErrorCode::OutputConflict, "is the folder of the run itself",
                "write to another folder, or to one below it", output_folder);
  STKIT_ASSIGN(std::vector<Checkpoint> checkpoints, find_checkpoints(run_folder, output_folder));
  const size_t before_filter = checkpoints.size();
  std::erase_if(checkpoints, [&](const Checkpoint& checkpoint) {
    return !glob_match(options.filter, checkpoint.name);
  });
  if (checkpoints.empty()) return fail(none_found(run_folder, options, before_filter));

  BatchPlan plan{run_folder, output_folder, options, checkpoints.size(), {}};
  std::vector<fs::path> inputs;
  for (Checkpoint& checkpoint : checkpoints) {
    STKIT_ASSIGN(const std::string name,
                 fill_in(options.name_template, run_name(run_folder), checkpoint));
    inputs.emplace_back(checkpoint.path);
    plan.items.push_back({std::move(checkpoint), (fs::path(output_folder) / name).string()});
  }
  STKIT_TRY(check_names(plan.items));
  STKIT_TRY(check_output_is_not_input(output_folder, inputs));

  // Places are given before anything is left out, so that all tasks agree on them.
  std::vector<BatchItem> own;
  for (size_t i = options.task_index; i < plan.items.size(); i += options.task_count)
    own.push_back(std::move(plan.items[i]));
  plan.items = std::move(own);
  return plan;
}

}  // namespace stkit
