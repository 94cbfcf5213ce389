#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <vector>

#include "command.h"
#include "log.h"
#include "model_list.h"
#include "options.h"
#include "render_inspect.h"
#include "session.h"
#include "signals.h"
#include "stkit/hub.h"
#include "stkit/inspect.h"
#include "stkit/text.h"
#include "text_file.h"

namespace stkit::cli {
namespace {

constexpr std::pair<std::string_view, Sort> kSorts[] = {{"file", Sort::File},
                                                        {"name", Sort::Name},
                                                        {"size", Sort::Size},
                                                        {"offset", Sort::Offset},
                                                        {"params", Sort::Params}};
constexpr auto kSortNames = [] {
  std::array<std::string_view, std::size(kSorts)> names;
  std::ranges::transform(kSorts, names.begin(), &std::pair<std::string_view, Sort>::first);
  return names;
}();

constexpr size_t kTextBuckets = 24, kPageBuckets = 48;

// A page with a histogram of each of thousands of tensors would be slow to make and to read.
constexpr size_t kPageHistograms = 64;

constexpr uint64_t kMostValues = 1'000'000;

struct InspectOptions {
  std::vector<std::string> models;
  std::string tensors_glob;  // empty: not asked for
  bool tree = false, metadata = false, stats = false, data = false, force = false;
  std::string histogram, tensor, npy, diff, html;
  uint64_t values = 10;
  std::string sort = "file";
  OpenOptions open;

  std::string glob() const { return tensors_glob.empty() ? "*" : tensors_glob; }
  Sort sort_order() const {
    return std::ranges::find(kSorts, sort, &std::pair<std::string_view, Sort>::first)->second;
  }
};

Result<const TensorInfo*> find_tensor(const Model& model, const std::string& name) {
  if (const TensorInfo* tensor = model.find(name)) return tensor;
  std::vector<std::string_view> names;
  for (const TensorInfo& tensor : model.tensors()) names.push_back(tensor.name);
  const std::string_view meant = nearest(name, names);
  return fail(ErrorCode::NotFound, fmt::format("no tensor '{}'", name),
              meant.empty() ? "list all with: --tensors" : fmt::format("did you mean '{}'?", meant),
              model.reference());
}

Result<int> show_diff(const InspectOptions& options, const Model& left, Session& session,
                      JsonWriter& json) {
  STKIT_ASSIGN(const Model right, Model::open(options.diff, options.open));
  STKIT_ASSIGN(const DiffReport report, diff(left, right, options.data, session.run_options()));
  if (session.json())
    write_json(json, report);
  else
    render_diff(session.out(), session.terminal(), left.reference(), right.reference(), report);
  return report.same() ? 0 : 1;
}

Result<int> show_tensor(const InspectOptions& options, const Model& model, Session& session,
                        JsonWriter& json) {
  STKIT_ASSIGN(const TensorInfo* const tensor, find_tensor(model, options.tensor));
  TensorDetail detail{tensor, {}, {}};
  STKIT_ASSIGN(detail.values, first_values(model, *tensor, options.values));
  if (options.stats) {
    STKIT_ASSIGN(detail.stats, tensor_stats(model, *tensor, session.run_options()));
  }
  if (!options.npy.empty()) {
    STKIT_TRY(check_not_input(model, options.npy));
    STKIT_TRY(write_npy(model, *tensor, options.npy, options.force, session.run_options()));
  }
  if (session.json())
    write_json(json, model, detail);
  else
    render_tensor(session.out(), session.terminal(), model, detail);
  return 0;
}

Result<int> show_histogram(const InspectOptions& options, const Model& model, Session& session,
                           JsonWriter& json) {
  STKIT_ASSIGN(const TensorInfo* const tensor, find_tensor(model, options.histogram));
  STKIT_ASSIGN(const Histogram histogram,
               tensor_histogram(model, *tensor, kTextBuckets, session.run_options()));
  if (session.json())
    write_json(json, model, tensor->name, histogram);
  else
    render_histogram(session.out(), session.terminal(), tensor->name, histogram);
  return 0;
}

Result<void> write_page(const InspectOptions& options, const Model& model,
                        const InspectReport& report, Session& session) {
  STKIT_TRY(check_not_input(model, options.html));
  std::vector<std::pair<std::string, Histogram>> histograms;
  if (options.stats) {
    std::vector<uint32_t> largest = select_tensors(model, options.glob(), Sort::Size);
    // Values that are coded in blocks have no statistics either.
    std::erase_if(largest, [&](uint32_t i) {
      return info(model.tensors()[i].dtype).kind == DTypeKind::GgmlBlock;
    });
    largest.resize(std::min(largest.size(), kPageHistograms));
    for (const uint32_t index : largest) {
      const TensorInfo& tensor = model.tensors()[index];
      STKIT_ASSIGN(Histogram histogram,
                   tensor_histogram(model, tensor, kPageBuckets, session.run_options()));
      histograms.emplace_back(std::string(tensor.name), std::move(histogram));
    }
  }
  return write_text_file(options.html, render_html(model, report, histograms), options.force);
}

void log_decisions(const Model& model, const InspectReport& report, const InspectOptions& options) {
  log_info(fmt::format("{}: {} in {}", printable(model.reference()),
                       counted(report.tensor_count, "tensor"),
                       counted(report.shard_count, "file")));
  for (const Finding& finding : model.findings())
    log_info(fmt::format("{}: {} ({})", printable(finding.path), printable(finding.message),
                         info(finding.check).id));
  log_debug(fmt::format("headers take {}, the limit is {}", counted(report.header_bytes, "byte"),
                        options.open.max_header_bytes));
  for (const std::string& warning : report.warnings) log_warning(printable(warning));
}

Result<int> show_report(const InspectOptions& options, const Model& model, Session& session,
                        JsonWriter& json) {
  STKIT_ASSIGN(InspectReport report, inspect(model));
  log_decisions(model, report, options);
  if (options.stats) STKIT_TRY(add_stats(model, options.glob(), session.run_options(), report));
  if (!options.html.empty()) STKIT_TRY(write_page(options, model, report, session));
  STKIT_TRY(cancel_token().check());

  const bool list = !options.tensors_glob.empty() || options.stats;
  if (session.json()) {
    InspectJsonOptions content{{}, options.sort_order()};
    if (list || options.tree) content.tensors_glob = options.glob();
    write_json(json, model, report, content);
    return 0;
  }
  Output& out = session.out();
  const Terminal& terminal = session.terminal();
  const auto selected = [&] { return select_tensors(model, options.glob(), options.sort_order()); };
  if (options.metadata) render_metadata(out, terminal, model);
  if (options.tree)
    render_tree(out, terminal, model, selected());
  else if (!options.html.empty())
    out.write(printable(options.html) + "\n");
  else if (list)
    render_tensor_table(out, terminal, model, report, selected());
  else if (!options.metadata)
    render_summary(out, terminal, model, report);
  return 0;
}

Result<int> inspect_one(const InspectOptions& options, const std::string& reference,
                        Session& session, JsonWriter& json) {
  STKIT_ASSIGN(const Model model, Model::open(reference, options.open));
  if (!options.diff.empty()) return show_diff(options, model, session, json);
  if (!options.tensor.empty()) return show_tensor(options, model, session, json);
  if (!options.histogram.empty()) return show_histogram(options, model, session, json);
  return show_report(options, model, session, json);
}

Result<int> run_inspect(InspectOptions& options, Session& session) {
  options.open.remote = hub_references(session.hub_options());
  const bool one_model_only =
      !options.diff.empty() || !options.html.empty() || !options.npy.empty();
  if (one_model_only &&
      (options.models.size() > 1 || options.models == std::vector<std::string>{"-"}))
    return fail(ErrorCode::Usage, "--diff, --html and --npy work on one MODEL", "name only one");
  return for_each_model(session, options.models, [&](const std::string& model, JsonWriter& json) {
    return inspect_one(options, model, session, json);
  });
}

}  // namespace

Action add_inspect(CLI::App& command) {
  const auto options = std::make_shared<InspectOptions>();
  InspectOptions& o = *options;
  add_models(command, o.models);
  add_optional_text(command, "--tensors", o.tensors_glob, "*", "GLOB",
                    "List the tensors (whose names match GLOB)");
  add_choice(command, "--sort", o.sort, kSortNames,
             "Order of the tensors; file: as they are stored");
  command.add_flag("--tree", o.tree, "Tensor names as a tree, repeated layers told once");
  command.add_flag("--metadata", o.metadata, "What the files say about themselves");
  command.add_flag("--stats", o.stats, "Read the weights: min, max, mean, std, NaN, Inf, zeros");
  CLI::Option* histogram = add_text(command, "--histogram", o.histogram, "TENSOR",
                                    "How one tensor's values are distributed");
  CLI::Option* tensor = add_text(command, "--tensor", o.tensor, "NAME",
                                 "One tensor: where it is, and its first values")
                            ->excludes(histogram);
  add_count(command, "--values", o.values, kMostValues, "How many values --tensor shows (10)")
      ->needs(tensor);
  add_text(command, "--npy", o.npy, "FILE", "Write that tensor as a NumPy file")->needs(tensor);
  CLI::Option* diff = add_text(command, "--diff", o.diff, "MODEL",
                               "What differs in another model; exit code 1 when anything does")
                          ->excludes(histogram)
                          ->excludes(tensor);
  command.add_flag("--data", o.data, "Compare values too")->needs(diff);
  add_text(command, "--html", o.html, "FILE", "Write a page with charts and a tensor table")
      ->excludes(tensor)
      ->excludes(histogram)
      ->excludes(diff);
  command.add_flag("--force", o.force, "Replace FILE when it exists");
  add_open_options(command, o.open);
  return [options](Session& session) { return run_inspect(*options, session); };
}

}  // namespace stkit::cli
