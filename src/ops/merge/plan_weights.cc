#include "ops/merge/plan_weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <span>

#include "base/checked_math.h"
#include "formats/finding_log.h"
#include "ops/merge/plan_casts.h"
#include "stkit/json.h"
#include "stkit/text.h"

namespace stkit {
namespace {

using Metadata = std::map<std::string, std::string, std::less<>>;

// Loaders refuse weights that do not say for which framework they were saved.
constexpr std::string_view kFormatKey = "format";
constexpr std::string_view kDefaultFormat = "pt";

Metadata output_metadata(MergeWork& work) {
  Metadata metadata = work.model.metadata();
  for (const std::string& key : work.model.metadata_conflicts())
    if (!work.options.metadata.contains(key))
      work.warnings.push_back(fmt::format(
          "the shards disagree on metadata {}; '{}', as in the first of them that has it, is kept",
          quoted_name(key), printable(metadata[key], 80)));
  metadata.emplace(kFormatKey, kDefaultFormat);
  for (const auto& [key, value] : work.options.metadata) metadata[key] = value;
  return metadata;
}

void add_tensor(SelectedTensor tensor, DType dtype, MergeWork& work) {
  const TensorInfo& source = *tensor.source;
  OutputPlan& weights = work.weights;
  std::unique_ptr<CastEncoding> encoding;
  if (dtype != source.dtype) {
    const auto beyond = work.options.on_overflow == Overflow::Clamp
                            ? kernels::BeyondRange::Clamp
                            : kernels::BeyondRange::Infinity;
    encoding = std::make_unique<CastEncoding>(source.dtype, dtype, beyond);
    work.casts.push_back({static_cast<uint32_t>(weights.recipes.size()), encoding.get()});
  }
  weights.specs.push_back(
      {std::move(tensor.name), dtype, {source.shape.begin(), source.shape.end()}});
  weights.recipes.push_back({&source, std::move(encoding)});
  work.input_bytes += source.size_bytes;
}

struct Range {
  size_t first, last;
};

// As the Hub's tools do it: tensors in the model's order, a new shard as soon as the next one would
// make it larger than the limit, and never back to an earlier shard. A tensor beyond the limit gets
// a shard of its own.
Result<std::vector<Range>> split(std::span<const TensorSpec> specs, uint64_t max_shard_bytes) {
  if (max_shard_bytes == 0) return std::vector<Range>{{0, specs.size()}};
  std::vector<Range> shards;
  uint64_t shard_bytes = 0;
  for (size_t i = 0; i < specs.size(); ++i) {
    STKIT_ASSIGN(const uint64_t elements, element_count(specs[i].shape));
    STKIT_ASSIGN(const uint64_t size, storage_bytes(specs[i].dtype, elements));
    const auto sum = checked_add(shard_bytes, size);
    if (shards.empty() || !sum || *sum > max_shard_bytes) {
      shards.push_back({i, i});
      shard_bytes = 0;
    }
    shards.back().last = i + 1;
    shard_bytes += size;
  }
  if (shards.empty()) shards.push_back({0, 0});
  return shards;
}

Result<FilePlan> plan_file(std::span<const TensorSpec> specs, size_t first,
                           const Metadata& metadata, const MergeOptions& options) {
  STKIT_ASSIGN(SafetensorsLayout layout,
               plan_safetensors(specs, metadata,
                                {.data_alignment = options.data_alignment,
                                 .max_header_bytes = options.open.max_header_bytes}));
  FilePlan file;
  file.header = std::move(layout.header);
  file.file_bytes = layout.file_bytes;
  file.tensors.reserve(layout.entries.size());
  for (const SafetensorsLayout::Entry& entry : layout.entries)
    file.tensors.push_back(
        {static_cast<uint32_t>(first + entry.spec), entry.offset_bytes, entry.size_bytes});
  return file;
}

}  // namespace

Result<void> plan_weights(std::vector<SelectedTensor> tensors, const WeightNames& names,
                          MergeWork& work) {
  OutputPlan& weights = work.weights;
  weights.specs.reserve(tensors.size());
  weights.recipes.reserve(tensors.size());
  STKIT_ASSIGN(CastRules casts, CastRules::make(work.model, work.options));
  for (SelectedTensor& tensor : tensors) {
    const DType dtype = casts.output_dtype(*tensor.source);
    add_tensor(std::move(tensor), dtype, work);
  }
  casts.add_warnings(work.warnings);
  const Metadata metadata = output_metadata(work);
  STKIT_ASSIGN(const std::vector<Range> shards, split(weights.specs, work.options.max_shard_bytes));
  for (size_t i = 0; i < shards.size(); ++i) {
    const auto [first, last] = shards[i];
    const auto specs = std::span(weights.specs).subspan(first, last - first);
    STKIT_ASSIGN(FilePlan file, plan_file(specs, first, metadata, work.options));
    file.name = shards.size() == 1 ? names.single_file
                                   : fmt::format("{}-{:05}-of-{:05}.safetensors", names.stem, i + 1,
                                                 shards.size());
    weights.files.push_back(std::move(file));
  }
  return {};
}

std::string shard_index_text(const OutputPlan& weights) {
  std::map<std::string_view, std::string_view> file_of;
  uint64_t total_bytes = 0;
  for (const FilePlan& file : weights.files)
    for (const FilePlan::Tensor& tensor : file.tensors) {
      file_of.emplace(weights.specs[tensor.recipe].name, file.name);
      total_bytes += tensor.size_bytes;
    }
  // As the Hub's tools write it: sorted, two spaces, a line end.
  std::string text;
  JsonWriter json(text, 2);
  json.begin_object();
  json.key("metadata").begin_object().field("total_size", total_bytes).end_object();
  json.key("weight_map").begin_object();
  for (const auto& [tensor, file] : file_of) json.field(tensor, file);
  json.end_object();
  json.end_object();
  return text + "\n";
}

}  // namespace stkit
