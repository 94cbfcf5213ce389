#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <span>

#include "gguf_export/restore.h"
#include "model/listing.h"
#include "ops/merge/plan_companions.h"
#include "ops/merge/plan_weights.h"
#include "ops/merge/select_tensors.h"
#include "ops/merge/target.h"
#include "ops/merge/work.h"
#include "stkit/merge.h"
#include "stkit/text.h"

namespace stkit {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kOverflowNames[] = {"error", "clamp", "inf"};

// What moves bytes, beside the headers: buffers of the threads, which do not grow with the model.
constexpr uint64_t kWorkingBytes = uint64_t{64} << 20;

// Loaders find the components of a pipeline and adapters by names of their own.
std::string stem_of(const MergeWork& work) {
  for (const std::string_view stem : {"diffusion_pytorch_model", "adapter_model"})
    if (std::ranges::all_of(work.model.files(), [&](const ModelFile& file) {
          return file.role != FileRole::Weights || base_name(file.name).starts_with(stem);
        }))
      return std::string(stem);
  return work.options.pytorch_bin ? "pytorch_model" : "model";
}

WeightNames weight_names(const MergeWork& work) {
  std::string stem = stem_of(work);
  std::string suffix(work.options.pytorch_bin ? ".bin" : kWeightsSuffix);
  std::string single =
      work.is_single_file ? fs::path(work.output).filename().string() : stem + suffix;
  return {std::move(stem), std::move(suffix), std::move(single)};
}

// A GGUF file as the model that it was made of.
Result<void> restore(MergeWork& work) {
  STKIT_ASSIGN(gguf_export::RestoredModel restored,
               gguf_export::restore_model(std::move(work.model)));
  work.model = std::move(restored.model);
  work.decoded = std::move(restored.decoded);
  if (!restored.problem.empty())
    work.warnings.push_back(
        fmt::format("names and order are those of GGUF, which most loaders of safetensors do not "
                    "know: {}",
                    restored.problem));
  return {};
}

void add_file(MergeWork& work, MergePlan::File file, decltype(MergeOutput::content) content) {
  work.outputs.push_back({work.folder / file.name, std::move(content), false});
  work.output_bytes += file.size_bytes;
  work.files.push_back(std::move(file));
}

// Of what the scan of the model found, what the output will not hold though it lies there.
constexpr Check kLeftBehind[] = {Check::UnlistedTensor, Check::UnlistedShard, Check::StrayWeights};
constexpr size_t kMostListed = 10;

void warn_of_left_behind(MergeWork& work) {
  size_t found = 0;
  for (const Finding& finding : work.model.findings())
    if (std::ranges::find(kLeftBehind, finding.check) != std::end(kLeftBehind) &&
        ++found <= kMostListed)
      work.warnings.push_back(
          fmt::format("{}: {}", printable(finding.path, 200), printable(finding.message)));
  if (found > kMostListed)
    work.warnings.push_back(fmt::format("{} more files hold what is not part of the model",
                                        format_grouped(found - kMostListed)));
}

// Companions, shards, the index last: nothing ever names a file that is not there.
void list_files(MergeWork& work, const WeightNames& names, std::vector<CompanionFile> companions) {
  for (CompanionFile& file : companions)
    add_file(work, {std::move(file.name), file.size_bytes, 0, false}, std::move(file.content));
  const std::vector<FilePlan>& weights = work.weights.files;
  for (size_t i = 0; i < weights.size(); ++i)
    add_file(work, {weights[i].name, weights[i].file_bytes, weights[i].tensors.size(), true},
             MergeOutput::Weights{i});
  if (weights.size() == 1) return;
  MergeOutput::Text index{shard_index_text(work.weights)};
  const uint64_t index_bytes = index.content.size();
  add_file(work, {names.index(), index_bytes, 0, false}, std::move(index));
}

}  // namespace

struct MergePlan::Rep {
  MergeWork work;
};

const MergeWork& MergeAccess::work(const MergePlan& plan) { return plan.rep_->work; }

MergePlan::MergePlan(std::unique_ptr<Rep> rep) : rep_(std::move(rep)) {}
MergePlan::MergePlan(MergePlan&&) noexcept = default;
MergePlan& MergePlan::operator=(MergePlan&&) noexcept = default;
MergePlan::~MergePlan() = default;

Result<MergePlan> MergePlan::make(std::string_view reference, const std::string& output,
                                  const MergeOptions& options) {
  STKIT_ASSIGN(Model model, Model::open(reference, options.open));
  return make(std::move(model), output, options);
}

Result<MergePlan> MergePlan::make(Model model, const std::string& output,
                                  const MergeOptions& options) {
  auto rep = std::unique_ptr<Rep>(new Rep{MergeWork(std::move(model), options, output)});
  MergeWork& work = rep->work;
  STKIT_TRY(find_target(work));
  if (work.model.format() == FileFormat::Gguf) STKIT_TRY(restore(work));
  warn_of_left_behind(work);
  STKIT_ASSIGN(std::vector<SelectedTensor> tensors,
               select_tensors(work.model, work.options, work.warnings));
  const WeightNames names = weight_names(work);
  STKIT_TRY(plan_weights(std::move(tensors), names, work));
  STKIT_ASSIGN(std::vector<CompanionFile> companions,
               plan_companions(work, names.entry_file(work.weights)));
  list_files(work, names, std::move(companions));
  STKIT_TRY(check_target(work));
  return MergePlan(std::move(rep));
}

const Model& MergePlan::model() const { return rep_->work.model; }
const std::string& MergePlan::output() const { return rep_->work.output; }
std::span<const MergePlan::File> MergePlan::files() const { return rep_->work.files; }
uint64_t MergePlan::output_bytes() const { return rep_->work.output_bytes; }
uint64_t MergePlan::input_bytes() const { return rep_->work.input_bytes; }
uint64_t MergePlan::cast_tensors() const { return rep_->work.casts.size(); }
std::span<const std::string> MergePlan::warnings() const { return rep_->work.warnings; }

Result<MergePlan::CopiedWeights> MergePlan::copied_weights() const {
  const OutputPlan& plan = rep_->work.weights;
  if (plan.files.size() != 1)
    return fail(ErrorCode::Unsupported, "the weights are several files", {}, rep_->work.output);
  const FilePlan& file = plan.files.front();
  CopiedWeights copied{file.name, file.header, {}, file.file_bytes};
  for (const FilePlan::Tensor& tensor : file.tensors) {
    const TensorRecipe& recipe = plan.recipes[tensor.recipe];
    const auto run = recipe.source == nullptr ? std::nullopt : recipe.source->run();
    if (recipe.encoding != nullptr || !run)
      return fail(ErrorCode::Unsupported,
                  fmt::format("tensor '{}' is not one run of bytes that are copied as they are",
                              printable(plan.specs[tensor.recipe].name, 200)),
                  {}, rep_->work.model.reference());
    if (tensor.size_bytes == 0) continue;
    copied.runs.push_back({tensor.offset_bytes, tensor.size_bytes, run->file, run->offset_bytes});
  }
  return copied;
}

std::optional<std::string_view> MergePlan::text(size_t index) const {
  const auto* text = std::get_if<MergeOutput::Text>(&rep_->work.outputs[index].content);
  return text == nullptr ? std::nullopt : std::optional<std::string_view>(text->content);
}

uint64_t MergePlan::peak_memory_bytes(const RunOptions& run) const {
  uint64_t header_bytes = 0;
  for (const ModelFile& file : rep_->work.model.files()) header_bytes += file.header_bytes;
  for (const FilePlan& file : rep_->work.weights.files) {
    header_bytes += file.header.size();
    for (const FilePlan::Text& text : file.texts) header_bytes += text.bytes.size();
  }
  const uint64_t working_bytes =
      run.max_memory_bytes > 0 ? std::min(run.max_memory_bytes, kWorkingBytes) : kWorkingBytes;
  return working_bytes + header_bytes;
}

std::span<const std::string_view> overflow_names() { return kOverflowNames; }

}  // namespace stkit
