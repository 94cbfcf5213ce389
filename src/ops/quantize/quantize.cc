#include "stkit/quantize.h"

#include <chrono>
#include <ranges>
#include <utility>

#include "base/parallel.h"
#include "base/progress_scope.h"
#include "io/atomic_output.h"
#include "io/system_calls.h"
#include "ops/quantize/export_input.h"
#include "ops/quantize/plan_rep.h"
#include "ops/quantize/weight_encoding.h"
#include "pipeline/write_file.h"
#include "quant/error_metrics.h"

namespace stkit {
namespace {

// Below this, threads would wait for memory that is no memory: pieces and buffers of one thread.
constexpr uint64_t kThreadBytes = uint64_t{4} << 20;

// The output's recipes, and those encodings that know more than their bytes afterwards.
struct Work {
  OutputPlan plan;
  std::vector<const WeightEncoding*> weights;  // by tensor; null for what is copied
};

bool measures(const QuantizeOptions& options) { return options.measure || options.min_cosine; }

// NaN and infinities are looked for in all weights, also in those that are copied; not in F64 ones,
// which no engine computes with.
bool is_encoded(DType from, DType to, const QuantizeOptions& options) {
  const DTypeKind kind = info(from).kind;
  if (kind != DTypeKind::Float && kind != DTypeKind::GgmlBlock) return false;
  if (from != to) return true;
  return kind == DTypeKind::Float && from != DType::F64 &&
         (options.on_non_finite != NonFinite::Keep || options.measure);
}

Result<TensorRecipe> read_from(const Model& model, const TensorInput& input) {
  TensorRecipe recipe{.source = input.tensor};
  if (input.tensor == nullptr) {
    STKIT_ASSIGN(recipe.input, open_export_input(model, input));
  }
  return recipe;
}

Result<Work> make_work(const QuantizeContents& rep) {
  Work work;
  for (size_t i = 0; i < rep.inputs.tensors.size(); ++i) {
    const QuantizePlan::Tensor& tensor = rep.inputs.tensors[i];
    const DType from = rep.inputs.inputs[i].dtype;
    work.plan.specs.push_back({tensor.name, tensor.to, tensor.shape});
    STKIT_ASSIGN(TensorRecipe recipe, read_from(rep.model, rep.inputs.inputs[i]));
    const WeightEncoding* weights = nullptr;
    if (is_encoded(from, tensor.to, rep.options)) {
      STKIT_ASSIGN(const auto importance, rep.importance.of(tensor));
      const TensorInfo elements{.name = tensor.name,
                                .shape = tensor.shape,
                                .element_count = tensor.element_count,
                                .dtype = from};
      auto encoding = std::make_unique<WeightEncoding>(
          elements, tensor.to,
          WeightEncodingOptions{importance, rep.options.on_non_finite, measures(rep.options)});
      weights = encoding.get();
      recipe.encoding = std::move(encoding);
    } else if (from != tensor.to) {
      recipe.encoding = make_integer_widening(from, tensor.to);
    }
    work.weights.push_back(weights);
    work.plan.recipes.push_back(std::move(recipe));
  }
  work.plan.files = rep.files;
  return work;
}

unsigned threads_within(const RunOptions& run) {
  const unsigned threads = thread_count(run);
  if (run.max_memory_bytes == 0) return threads;
  return static_cast<unsigned>(
      std::clamp<uint64_t>(run.max_memory_bytes / kThreadBytes, 1, threads));
}

QuantizeReport report_on(const Work& work, const QuantizeContents& rep) {
  const QuantizeOptions& options = rep.options;
  QuantizeReport report;
  kernels::ErrorSums total;
  for (uint32_t i = 0; i < work.weights.size(); ++i) {
    const WeightEncoding* weights = work.weights[i];
    if (weights != nullptr && weights->non_finite() > 0)
      report.non_finite.push_back({i, weights->non_finite()});
    if (!measures(options)) continue;
    const kernels::ErrorSums sums = weights == nullptr ? kernels::ErrorSums{} : weights->errors();
    report.errors.push_back(quant::error_metrics(sums));
    if (info(rep.inputs.tensors[i].to).kind == DTypeKind::GgmlBlock) total.add(sums);
    // Of NaN, which --nan keep leaves, nothing is known.
    if (options.min_cosine && !(report.errors.back().cosine_similarity >= *options.min_cosine))
      report.too_far.push_back(i);
  }
  if (measures(options)) report.total_error = quant::error_metrics(total);
  report.published = report.too_far.empty();
  return report;
}

// Space for all of them is there before the first is written.
Result<std::vector<std::unique_ptr<AtomicOutput>>> create_outputs(const QuantizeContents& rep) {
  std::vector<std::unique_ptr<AtomicOutput>> outputs;
  for (const FilePlan& file : rep.files) {
    STKIT_ASSIGN(auto output, AtomicOutput::create(SystemCalls::real(), file.name, file.file_bytes,
                                                   {rep.options.overwrite, rep.options.sync}));
    outputs.push_back(std::move(output));
  }
  return outputs;
}

}  // namespace

Result<QuantizeReport> quantize(const QuantizePlan& plan, const RunOptions& run) {
  const QuantizeContents& rep = *plan.rep_;
  if (!rep.quantized_already.empty())
    return fail(ErrorCode::Usage, "there is nothing to do: the weights are quantized already", {},
                rep.model.reference());
  const auto start = std::chrono::steady_clock::now();
  STKIT_ASSIGN(const Work work, make_work(rep));
  RunOptions bounded = run;
  const unsigned threads = threads_within(run);
  if (run.max_memory_bytes > 0) bounded.threads = threads;

  STKIT_ASSIGN(const auto outputs, create_outputs(rep));
  ProgressScope progress(run.progress, "quantizing", rep.output, plan.output_bytes());
  for (size_t i = 0; i < outputs.size(); ++i) {
    const auto written = write_file(rep.model, work.plan, i, *outputs[i], {.run = bounded});
    if (written) continue;
    Error error = written.error();
    if (error.path.empty()) error.path = rep.model.reference();
    return fail(std::move(error));
  }
  STKIT_TRY(rep.model.check_unchanged());
  QuantizeReport report = report_on(work, rep);
  // Loaders open the first part.
  if (report.published)
    for (const auto& output : outputs | std::views::reverse) STKIT_TRY(output->commit());
  progress.done();
  report.threads = threads;
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return report;
}

}  // namespace stkit
