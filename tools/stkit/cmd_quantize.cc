#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <memory>
#include <system_error>
#include <vector>

#include "command.h"
#include "log.h"
#include "options.h"
#include "render_quantize.h"
#include "session.h"
#include "stkit/hub.h"
#include "stkit/json.h"
#include "stkit/quantize.h"
#include "stkit/text.h"
#include "text_file.h"

namespace stkit::cli {
namespace {

constexpr int kAnswerIsNo = 1;

struct Options {
  std::string model, output, report;
  QuantizeOptions quantize;
  std::string slider, profile, target, on_non_finite = "error", min_cosine;
  uint64_t bits = 0, fit_bytes = 0;
  std::vector<std::string> tensor_types, metadata;
  bool strict = false, no_sync = false, dry_run = false, verify = false;
};

template <class T>
Result<T> parse_number(std::string_view option, const std::string& text) {
  T number{};
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && stop == text.data() + text.size()) return number;
  return fail(ErrorCode::Usage, fmt::format("{}: '{}' is no number", option, printable(text)));
}

// The options that name a type are one choice.
Result<void> choose_isq(const Options& options, std::string& isq) {
  if (options.bits > 0) {
    STKIT_ASSIGN(isq, isq_for_bits(options.bits));
  } else if (!options.slider.empty()) {
    STKIT_ASSIGN(const auto percent, parse_number<uint64_t>("--auto", options.slider));
    STKIT_ASSIGN(isq, isq_for_slider(percent));
  } else if (!options.profile.empty()) {
    STKIT_ASSIGN(isq, isq_for_profile(options.profile));
  }
  return {};
}

Result<void> add_pair(std::string_view option, const std::string& text, size_t equals,
                      std::string_view form,
                      std::vector<std::pair<std::string, std::string>>& pairs) {
  if (equals == std::string::npos || equals == 0)
    return fail(ErrorCode::Usage, fmt::format("{}: '{}' is not {}", option, printable(text), form));
  pairs.emplace_back(text.substr(0, equals), text.substr(equals + 1));
  return {};
}

Result<QuantizeOptions> to_library(const Options& options) {
  QuantizeOptions out = options.quantize;
  STKIT_TRY(choose_isq(options, out.isq));
  if (!options.target.empty()) {
    const auto target = std::ranges::find(quantize_target_names(), options.target);
    out.target = static_cast<QuantizeTarget>(target - quantize_target_names().begin());
  }
  out.only_if_plain = !options.slider.empty();
  if (options.fit_bytes > 0) out.fit_bytes = options.fit_bytes;
  for (const std::string& text : options.tensor_types) {
    STKIT_TRY(add_pair("--tensor-type", text, text.rfind('='), "GLOB=TYPE", out.tensor_types));
  }
  for (const std::string& text : options.metadata) {
    STKIT_TRY(add_pair("--metadata", text, text.find('='), "KEY=TYPE:VALUE", out.metadata));
  }
  const auto choice = std::ranges::find(non_finite_names(), options.on_non_finite);
  out.on_non_finite = static_cast<NonFinite>(choice - non_finite_names().begin());
  if (!options.min_cosine.empty()) {
    STKIT_ASSIGN(out.min_cosine, parse_number<double>("--min-cosine", options.min_cosine));
  }
  out.measure = options.verify || !options.report.empty();
  out.sync = !options.no_sync;
  return out;
}

enum class ReportForm { Json, Csv, Html };

// Of those with the largest errors, in a page.
constexpr size_t kHistograms = 6, kBuckets = 64;

Result<ReportForm> report_form(const std::string& path) {
  if (path.ends_with(".json")) return ReportForm::Json;
  if (path.ends_with(".csv")) return ReportForm::Csv;
  if (path.ends_with(".html")) return ReportForm::Html;
  return fail(ErrorCode::Usage, "the report's name ends in none of .json, .csv and .html",
              "the ending says what it is to be", path);
}

// What would keep the report from being written is said before the work, not after it.
Result<void> check_report(const Options& options, const QuantizePlan& plan) {
  if (options.report.empty()) return {};
  STKIT_TRY(report_form(options.report));
  STKIT_TRY(check_not_input(plan.model(), options.report));
  std::error_code error;
  if (!options.quantize.overwrite && std::filesystem::exists(options.report, error))
    return fail(ErrorCode::OutputExists, "the report exists already", "replace it with --force",
                options.report);
  if (options.report == options.output)
    return fail(ErrorCode::Usage, "--report and --output are one file", {}, options.report);
  return {};
}

// How the weights of the worst tensors are spread; not of those that were blocks before.
Result<std::vector<std::pair<uint32_t, Histogram>>> worst_histograms(const QuantizePlan& plan,
                                                                     const QuantizeReport& report,
                                                                     RunOptions run) {
  run.progress = nullptr;
  std::vector<std::pair<uint32_t, Histogram>> histograms;
  for (const uint32_t index : worst_tensors(report, kHistograms)) {
    const TensorInfo* const source = plan.model().find(plan.tensors()[index].source);
    if (source == nullptr || info(source->dtype).kind != DTypeKind::Float) continue;
    STKIT_ASSIGN(Histogram histogram, tensor_histogram(plan.model(), *source, kBuckets, run));
    histograms.emplace_back(index, std::move(histogram));
  }
  return histograms;
}

Result<void> write_report(const Options& options, const QuantizePlan& plan,
                          const QuantizeReport& report, const RunOptions& run) {
  if (options.report.empty()) return {};
  STKIT_ASSIGN(const ReportForm form, report_form(options.report));
  std::string text;
  switch (form) {
    case ReportForm::Csv: text = to_csv(plan, report); break;
    case ReportForm::Json: {
      JsonWriter json(text, 2);
      write_json(json, plan, report);
      text += "\n";
      break;
    }
    case ReportForm::Html: {
      STKIT_ASSIGN(const auto histograms, worst_histograms(plan, report, run));
      text = render_html(plan, report, histograms);
    }
  }
  return write_text_file(options.report, text, options.quantize.overwrite);
}

void show(Session& session, const QuantizePlan& plan, const QuantizeReport* report,
          bool list_tensors = false) {
  if (!session.json())
    return render_quantize(session.out(), session.terminal(), plan, report, list_tensors);
  std::string text;
  JsonWriter json(text, session.terminal().is_terminal ? 2 : 0);
  report == nullptr ? write_json(json, plan) : write_json(json, plan, *report);
  session.out().write(text + "\n");
}

void log_outcome(const QuantizePlan& plan, const QuantizeReport& report,
                 const QuantizeOptions& options) {
  const std::string_view done = options.on_non_finite == NonFinite::Zero ? "taken as zero" : "kept";
  for (const auto& [tensor, values] : report.non_finite)
    log_warning(fmt::format("tensor '{}': {} not finite, {}",
                            printable(plan.tensors()[tensor].name), counted(values, "value"),
                            done));
  if (!report.published) {
    const uint32_t first = report.too_far.front();
    log_error(fmt::format(
        "nothing was written: {} below the cosine similarity of {}, the first is '{}' with {:.6f}",
        counted(report.too_far.size(), "tensor"), *options.min_cosine,
        printable(plan.tensors()[first].name), report.errors[first].cosine_similarity));
  }
  log_info(
      fmt::format("{} with {}", format_seconds(report.seconds), counted(report.threads, "thread")));
}

Result<int> run_quantize(const Options& options, Session& session) {
  STKIT_ASSIGN(QuantizeOptions library, to_library(options));
  library.open.remote = hub_references(session.hub_options());
  STKIT_ASSIGN(const QuantizePlan plan, QuantizePlan::make(options.model, options.output, library));
  for (const std::string& warning : plan.warnings()) log_warning(printable(warning));
  if (options.strict && plan.fallback_parameters() > 0) {
    show(session, plan, nullptr);
    log_error("nothing was written: --strict allows no fallbacks");
    return kAnswerIsNo;
  }
  if (options.dry_run || !plan.quantized_already().empty()) {
    show(session, plan, nullptr, true);
    return 0;
  }
  STKIT_TRY(check_report(options, plan));
  STKIT_ASSIGN(const QuantizeReport report, quantize(plan, session.run_options()));
  STKIT_TRY(write_report(options, plan, report, session.run_options()));
  log_outcome(plan, report, library);
  show(session, plan, &report);
  return report.published ? 0 : kAnswerIsNo;
}

void add_type_options(CLI::App& command, Options& o) {
  // Other spellings of these names are right, too: the library judges.
  CLI::Option* isq =
      add_text(command, "--isq", o.quantize.isq, fmt::format("{}", fmt::join(isq_names(), "|")),
               "One type for all weights (q4k)");
  CLI::Option* mix =
      add_text(command, "--type", o.quantize.mix, fmt::format("{}", fmt::join(mix_names(), "|")),
               "A mix of llama.cpp, in any case");
  CLI::Option* bits =
      add_count(command, "--bits", o.bits, 8, "The type of so many bits a weight, 2 to 8");
  CLI::Option* slider =
      add_optional_text(command, "--auto", o.slider, "0", "0..100",
                        "q4k, from 30 on q5k, from 70 on q6k; leaves quantized models alone");
  CLI::Option* profile = add_choice(command, "--profile", o.profile, isq_profile_names(),
                                    "What fits the device: q4k, q5k, q6k");
  CLI::Option* fit = add_size(command, "--fit", o.fit_bytes,
                              "Types by tensor, so that FILE takes at most so much, with the least "
                              "error; a sample of the weights is read");
  fit->excludes(isq)->excludes(mix)->excludes(bits)->excludes(slider)->excludes(profile);
  mix->excludes(isq)->excludes(bits)->excludes(slider)->excludes(profile);
  isq->excludes(bits)->excludes(slider)->excludes(profile);
  bits->excludes(slider)->excludes(profile);
  slider->excludes(profile);
  add_texts(command, "--tensor-type", o.tensor_types, "GLOB=TYPE",
            "Another type (f32, f16 and bf16 too) for tensors by name");
  add_text(command, "--output-type", o.quantize.output_type, "TYPE",
           "Another type for the output matrix");
  add_text(command, "--embedding-type", o.quantize.embedding_type, "TYPE",
           "Another type for the token embedding");
  add_texts(command, "--keep", o.quantize.keep, "GLOB", "Tensors that keep their own type");
  command.add_flag("--allow-requantize", o.quantize.allow_requantize,
                   "Take a GGUF file whose weights are quantized; more is lost");
  command.add_flag("--pure", o.quantize.pure,
                   "With --type none of its rules, its base type for all; else no other quantized "
                   "type where blocks do not divide a row, but f16");
  command.add_flag("--strict", o.strict, "Write nothing when there are fallbacks; exit code 1");
}

}  // namespace

Action add_quantize(CLI::App& command) {
  const auto options = std::make_shared<Options>();
  Options& o = *options;
  add_text(command, "MODEL", o.model, "MODEL", "What to quantize")->required();
  add_text(command, "-o,--output", o.output, "FILE", "The file to write")->required();
  add_choice(command, "--target", o.target, quantize_target_names(),
             "The container: gguf, unless FILE ends in .safetensors");
  add_type_options(command, o);
  add_text(command, "--imatrix", o.quantize.imatrix, "FILE",
           "How much each column of a weight matters, as llama-imatrix writes it");
  add_text(command, "--arch", o.quantize.arch, "NAME",
           "The architecture, as llama.cpp names it, instead of what config.json says; none: the "
           "tensors keep their own names, and there is no tokenizer");
  add_text(command, "--pre", o.quantize.pre_tokenizer, "NAME",
           "The pre-tokenizer, as llama.cpp names it, instead of what tokenizer.json looks like");
  add_texts(command, "--metadata", o.metadata, "KEY=TYPE:VALUE",
            "Add a key to the metadata of GGUF, or replace its value");
  add_choice(command, "--nan", o.on_non_finite, non_finite_names(),
             "What becomes of NaN and infinities: stop, or take as zero, or leave");
  command.add_flag("--verify", o.verify, "Read the result back and show how far it is off");
  add_text(command, "--report", o.report, "FILE",
           "Write the errors of every tensor as FILE.json, FILE.csv or FILE.html");
  add_text(command, "--min-cosine", o.min_cosine, "X",
           "Write nothing when a tensor is less similar than this; exit code 1");
  add_size(command, "--split-max-size", o.quantize.split_max_bytes,
           "Write several GGUF files of at most this size each");
  command.add_flag("--dry-run", o.dry_run, "Show the plan, every type and size; write nothing");
  command.add_flag("--force", o.quantize.overwrite, "Replace FILE when it exists");
  command.add_flag("--no-sync", o.no_sync, "Leave it to the system when the file is on the disk");
  add_size(command, "--max-header", o.quantize.open.max_header_bytes,
           "Accept headers larger than the format's 100 MB");
  return [options](Session& session) { return run_quantize(*options, session); };
}

}  // namespace stkit::cli
