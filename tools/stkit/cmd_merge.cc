#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <optional>
#include <vector>

#include "command.h"
#include "log.h"
#include "options.h"
#include "render_merge.h"
#include "report.h"
#include "session.h"
#include "stkit/batch.h"
#include "stkit/disk_space.h"
#include "stkit/hub.h"
#include "stkit/json.h"
#include "stkit/merge.h"
#include "stkit/text.h"
#include "task_environment.h"

namespace stkit::cli {
namespace {

constexpr std::string_view kAnySource = "auto";
constexpr std::pair<std::string_view, FileFormat> kSources[] = {
    {"safetensors", FileFormat::Safetensors},
    {"bin", FileFormat::PyTorch},
    {"deepspeed", FileFormat::DeepSpeed},
    {"dcp", FileFormat::Dcp},
    {"gguf", FileFormat::Gguf},
    {"npz", FileFormat::Npz},
};
constexpr std::string_view kKeepDType = "keep";
constexpr uint64_t kMostAlignment = uint64_t{1} << 30;
constexpr uint64_t kMostTasks = 1'000'000;
constexpr int kAnswerIsNo = 1;

struct Options {
  std::string model, output, from{kAnySource}, dtype{kKeepDType}, on_overflow{overflow_names()[0]},
      io{io_mode_names()[0]};
  std::vector<std::string> rename, metadata;
  bool all_checkpoints = false, no_sync = false, dry_run = false;
  std::optional<uint64_t> task_index, task_count;
  MergeOptions merge;
  BatchOptions batch;
};

// "bf16" for BF16: options are written small.
std::string option_name(DType dtype) { return lower_case(name(dtype)); }

std::span<const std::string_view> dtype_choices() {
  static const auto kTexts = [] {
    std::vector<std::string> names{std::string(kKeepDType)};
    for (const DType dtype : cast_targets()) names.push_back(option_name(dtype));
    return names;
  }();
  static const std::vector<std::string_view> kChoices(kTexts.begin(), kTexts.end());
  return kChoices;
}

std::span<const std::string_view> source_choices() {
  static const auto kChoices = [] {
    std::vector<std::string_view> names{kAnySource};
    for (const auto& [name, format] : kSources) names.push_back(name);
    return names;
  }();
  return kChoices;
}

size_t place_of(std::string_view choice, std::span<const std::string_view> choices) {
  return static_cast<size_t>(std::ranges::find(choices, choice) - choices.begin());
}

Result<std::pair<std::string, std::string>> split_pair(const std::string& text, size_t equals,
                                                       std::string_view option,
                                                       std::string_view form) {
  if (equals == std::string::npos || equals == 0)
    return fail(ErrorCode::Usage,
                fmt::format("{} {}: {}", option, printable(text),
                            equals == 0 ? "nothing in front of '='" : "no '='"),
                fmt::format("{} {}", option, form));
  return std::pair(text.substr(0, equals), text.substr(equals + 1));
}

// From what was typed to what the library takes.
Result<MergeOptions> merge_options(const Options& options) {
  MergeOptions merge = options.merge;
  if (const size_t place = place_of(options.from, source_choices()); place > 0)
    merge.open.format = kSources[place - 1].second;
  if (const size_t place = place_of(options.dtype, dtype_choices()); place > 0)
    merge.dtype = cast_targets()[place - 1];
  merge.on_overflow = static_cast<Overflow>(place_of(options.on_overflow, overflow_names()));
  merge.io = static_cast<IoMode>(place_of(options.io, io_mode_names()));
  merge.sync = !options.no_sync;
  // The last '=': an expression may hold one, as in [[=e=]], and names of tensors hold none.
  for (const std::string& text : options.rename) {
    STKIT_ASSIGN(auto pair, split_pair(text, text.rfind('='), "--rename", "REGEX=REPLACEMENT"));
    merge.rename.push_back(std::move(pair));
  }
  for (const std::string& text : options.metadata) {
    STKIT_ASSIGN(auto pair, split_pair(text, text.find('='), "--metadata", "KEY=VALUE"));
    merge.metadata.insert_or_assign(std::move(pair.first), std::move(pair.second));
  }
  if (!merge.dtype && !merge.keep_dtype.empty())
    return fail(ErrorCode::Usage, "--keep-dtype keeps tensors from a cast that was not asked for",
                "name the type to cast to with --dtype, or leave --keep-dtype out");
  return merge;
}

Result<void> check_arguments(const Options& options) {
  if (options.model.empty())
    return fail(ErrorCode::Usage, "MODEL is missing", "name a file or a folder");
  if (options.output.empty())
    return fail(ErrorCode::Usage, "the output is missing",
                options.all_checkpoints ? "name the folder to write to with: -o OUT_DIR"
                                        : "name a folder, or a file, with: -o OUT");
  return {};
}

void warn_of(std::span<const std::string> warnings, std::string_view prefix = {}) {
  for (const std::string& warning : warnings)
    log_warning(fmt::format("{}{}", prefix, printable(warning)));
}

void warn_of(const MergeReport& report, std::string_view what) {
  constexpr size_t kMostListed = 10;
  for (size_t i = 0; i < std::min(report.overflows.size(), kMostListed); ++i)
    log_warning(fmt::format("tensor '{}': {} values were {}",
                            printable(report.overflows[i].tensor, 200),
                            format_grouped(report.overflows[i].values), what));
  if (report.overflows.size() > kMostListed)
    log_warning(fmt::format("{} more tensors had such values",
                            format_grouped(report.overflows.size() - kMostListed)));
}

std::string_view overflow_text(Overflow overflow) {
  return overflow == Overflow::Clamp ? "clamped to the type's range" : "made infinite";
}

// What differs between machines and runs is no part of the result on stdout.
void say_how(const MergeReport& report) {
  const double rate = static_cast<double>(report.output_bytes) / std::max(report.seconds, 1e-6);
  std::string text = fmt::format("{}: {} in {}, {}/s, {}", printable(report.output),
                                 format_bytes(report.output_bytes), format_seconds(report.seconds),
                                 format_bytes(static_cast<uint64_t>(rate)),
                                 io_mode_names()[static_cast<size_t>(report.io)]);
  if (report.shared_bytes > 0)
    text += fmt::format(", {} shared with the source", format_bytes(report.shared_bytes));
  log_info(text);
}

template <class... Parts>
void print_json(Session& session, const Parts&... parts) {
  std::string text;
  JsonWriter json(text, session.terminal().is_terminal ? 2 : 0);
  write_json(json, parts...);
  session.out().write(text + "\n");
}

Result<int> merge_one(const Options& options, Session& session) {
  STKIT_ASSIGN(MergeOptions wanted, merge_options(options));
  wanted.open.remote = hub_references(session.hub_options());
  STKIT_ASSIGN(const MergePlan plan, MergePlan::make(options.model, options.output, wanted));
  warn_of(plan.warnings());
  const RunOptions run = session.run_options();
  if (options.dry_run) {
    if (session.json())
      print_json(session, plan);
    else
      render_merge_plan(session.out(), session.terminal(), plan, plan.peak_memory_bytes(run),
                        free_space(options.output));
    return 0;
  }
  STKIT_ASSIGN(const MergeReport report, merge(plan, run));
  warn_of(report, overflow_text(wanted.on_overflow));
  say_how(report);
  if (session.json())
    print_json(session, report);
  else
    render_merge_result(session.out(), session.terminal(), plan, report);
  return 0;
}

void say_outcome(const BatchOutcome& outcome, Overflow on_overflow) {
  const std::string name = printable(outcome.item.checkpoint.name);
  warn_of(outcome.warnings, name + ": ");
  if (outcome.error)
    log_error(error_text(*outcome.error));
  else if (outcome.state == BatchState::Skipped)
    log_info(fmt::format("{}: skipped, {} is whole", name, printable(outcome.item.output)));
  if (!outcome.report) return;
  warn_of(*outcome.report, overflow_text(on_overflow));
  say_how(*outcome.report);
}

// 0, 1 when some failed, or that of the signal that stopped it.
int exit_code_of(const BatchReport& report) {
  for (const BatchOutcome& outcome : report.outcomes)
    if (outcome.error && (outcome.error->code == ErrorCode::Interrupted ||
                          outcome.error->code == ErrorCode::Terminated))
      return info(outcome.error->code).exit_code;
  return report.count(BatchState::Failed) > 0 ? kAnswerIsNo : 0;
}

Result<int> merge_all(const Options& options, Session& session) {
  BatchOptions batch = options.batch;
  STKIT_ASSIGN(batch.merge, merge_options(options));
  batch.dry_run = options.dry_run;
  STKIT_ASSIGN(const Task task,
               find_task(options.task_index, options.task_count,
                         [](const char* name) -> const char* { return std::getenv(name); }));
  batch.task_index = task.index;
  batch.task_count = task.count;
  STKIT_ASSIGN(const BatchPlan plan, plan_batch(options.model, options.output, batch));
  log_info(fmt::format("{} checkpoints below {}, {} of them for this task", plan.found,
                       printable(options.model), plan.items.size()));
  if (!task.source.empty())
    log_info(fmt::format("task {} of {}, by {}", task.index, task.count, task.source));
  STKIT_ASSIGN(const BatchReport report,
               merge_batch(plan, session.run_options(), [&](const BatchOutcome& outcome) {
                 say_outcome(outcome, batch.merge.on_overflow);
               }));
  if (session.json())
    print_json(session, plan, report);
  else
    render_batch(session.out(), session.terminal(), plan, task.source, report);
  return exit_code_of(report);
}

void add_what(CLI::App& command, Options& o) {
  add_choice(command, "--dtype", o.dtype, dtype_choices(),
             "Cast floating tensors, to nearest even; integers and quantized tensors stay");
  add_choice(command, "--on-overflow", o.on_overflow, overflow_names(),
             "What to do with values beyond the type's range");
  add_texts(command, "--keep-dtype", o.merge.keep_dtype, "GLOB", "Tensors that are not cast");
  add_texts(command, "--include", o.merge.include, "GLOB", "Take only tensors of these names");
  add_texts(command, "--exclude", o.merge.exclude, "GLOB", "Leave out tensors of these names");
  add_text(command, "--strip-prefix", o.merge.strip_prefix, "PREFIX",
           "Take it off the names that have it");
  add_texts(command, "--rename", o.rename, "REGEX=REPLACEMENT",
            "Rename tensors; several apply in turn, behind --strip-prefix");
  add_texts(command, "--metadata", o.metadata, "KEY=VALUE", "Add to what the file says of itself");
}

void add_how(CLI::App& command, Options& o) {
  add_size(command, "--max-shard-size", o.merge.max_shard_bytes,
           "Write shards of at most this size, and their index, instead of one file");
  command.add_flag("--pytorch-bin", o.merge.pytorch_bin,
                   "Write pytorch_model.bin, as torch.save does, instead of safetensors");
  add_count(command, "--align", o.merge.data_alignment, kMostAlignment,
            "Start the weights at a multiple of N bytes (8; 64 for PyTorch); with 4096 blocks are "
            "shared");
  add_text(command, "--copy-files", o.merge.copy_files, "GLOB",
           "Which companion files to take along; all, none, or their names (all)");
  add_choice(command, "--io", o.io, io_mode_names(), "How bytes move; direct: past the page cache");
  command.add_flag("--no-sync", o.no_sync, "Leave it to the system when data reaches the disk");
  command.add_flag("--verify", o.merge.verify,
                   "Read the output back and compare each tensor with the source");
  command.add_flag("--dry-run", o.dry_run, "Print what would be written, and write nothing");
  add_open_options(command, o.merge.open);
}

void add_batch(CLI::App& command, Options& o, CLI::Option* force) {
  CLI::Option* all = command.add_flag("--all-checkpoints", o.all_checkpoints,
                                      "MODEL is the folder of a run: merge all below it into OUT");
  add_text(command, "--checkpoint-filter", o.batch.filter, "GLOB",
           "Only checkpoints whose path below the run's folder matches")
      ->needs(all);
  add_text(command, "--name-template", o.batch.name_template, "TEMPLATE",
           "Names of the outputs ({run}_step_{step}); also {name}")
      ->needs(all);
  command.add_flag("--skip-existing", o.batch.skip_existing, "Leave outputs alone that are whole")
      ->needs(all)
      ->excludes(force);
  command
      .add_flag("--continue-on-error", o.batch.continue_on_error,
                "Go on when a checkpoint fails; exit code 1 in the end")
      ->needs(all);
  add_count(command, "--task-index", o.task_index, kMostTasks,
            "Which task this is, from 0 (default: by Slurm, Kubernetes or MPI)")
      ->needs(all);
  add_count(command, "--task-count", o.task_count, kMostTasks, "Of how many")->needs(all);
}

}  // namespace

Action add_merge(CLI::App& command) {
  const auto options = std::make_shared<Options>();
  Options& o = *options;
  add_model(command, o.model, "What to merge; with --all-checkpoints the folder of a run");
  add_text(command, "-o,--output", o.output, "OUT",
           "A folder, or a .safetensors file (.bin for PyTorch)");
  add_choice(command, "--from", o.from, source_choices(),
             "The kind of weights to take, where MODEL holds several");
  add_what(command, o);
  add_how(command, o);
  CLI::Option* force =
      command.add_flag("--force", o.merge.overwrite, "Replace files that are there");
  add_batch(command, o, force);
  return [options](Session& session) -> Result<int> {
    STKIT_TRY(check_arguments(*options));
    return options->all_checkpoints ? merge_all(*options, session) : merge_one(*options, session);
  };
}

}  // namespace stkit::cli
