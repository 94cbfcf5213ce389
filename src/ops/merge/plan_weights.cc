#include "ops/merge/plan_weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <limits>
#include <numeric>
#include <span>

#include "base/checked_math.h"
#include "formats/finding_log.h"
#include "formats/torch_writer.h"
#include "ops/merge/plan_casts.h"
#include "ops/merge/shared_tensors.h"
#include "stkit/json.h"
#include "stkit/text.h"

namespace stkit {
namespace {

using Metadata = std::map<std::string, std::string, std::less<>>;

// Loaders refuse weights that do not say for which framework they were saved.
constexpr std::string_view kFormatKey = "format";
constexpr std::string_view kDefaultFormat = "pt";

// What PyTorch aligns storages to, and the most that the padding's length has room for.
constexpr uint64_t kTorchAlignment = 64;
constexpr uint64_t kMostTorchAlignment = 32'768;

Metadata output_metadata(MergeWork& work) {
  if (work.options.pytorch_bin) return {};
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
// What shares its storage with the one before it costs nothing and stays with it.
Result<std::vector<Range>> split(std::span<const TensorSpec> specs,
                                 std::span<const uint32_t> shares_with, uint64_t max_shard_bytes) {
  if (max_shard_bytes == 0) return std::vector<Range>{{0, specs.size()}};
  std::vector<Range> shards;
  uint64_t shard_bytes = 0;
  for (size_t i = 0; i < specs.size(); ++i) {
    if (shares_with[i] != i) {
      shards.back().last = i + 1;
      continue;
    }
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

// The same for PyTorch. Nothing of the model's metadata has a place in it.
Result<FilePlan> plan_torch_archive(size_t first, std::span<const uint32_t> shares_with,
                                    const std::string& name, MergeWork& work) {
  std::vector<uint32_t> shares(shares_with.begin(), shares_with.end());
  for (uint32_t& place : shares) place -= static_cast<uint32_t>(first);
  const std::string root = std::filesystem::path(name).stem().string();
  STKIT_ASSIGN(
      TorchLayout layout,
      plan_torch_file(
          std::span(work.weights.specs).subspan(first, shares.size()), shares,
          {.root = root, .alignment = std::max(work.options.data_alignment, kTorchAlignment)}));
  FilePlan file;
  file.file_bytes = layout.zip.file_bytes;
  for (ZipPlan::Text& text : layout.zip.texts)
    file.texts.push_back({text.offset_bytes, std::move(text.bytes)});
  std::vector<size_t> tensor_of;  // by storage: the first that it is written of
  for (const TorchStorage& storage : layout.storages) {
    tensor_of.push_back(file.tensors.size());
    for (uint32_t i = storage.first_spec; i < shares.size() && shares[i] == storage.first_spec; ++i)
      file.tensors.push_back(
          {static_cast<uint32_t>(first + i), storage.offset_bytes, storage.size_bytes});
  }
  for (ZipPlan::Sum& sum : layout.zip.sums) sum.entry = tensor_of[sum.entry];
  work.sums.push_back(std::move(layout.zip.sums));
  return file;
}

Result<void> check_torch_options(const MergeOptions& options) {
  if (!options.metadata.empty())
    return fail(ErrorCode::Usage, "PyTorch files have no place for metadata",
                "leave out --metadata, or --pytorch-bin");
  if (options.data_alignment > kMostTorchAlignment)
    return fail(ErrorCode::Usage,
                fmt::format("PyTorch files align their tensors to at most {} bytes",
                            format_grouped(kMostTorchAlignment)),
                "choose a smaller --align");
  return {};
}

}  // namespace

Result<void> plan_weights(std::vector<SelectedTensor> tensors, const WeightNames& names,
                          MergeWork& work) {
  OutputPlan& weights = work.weights;
  weights.specs.reserve(tensors.size());
  weights.recipes.reserve(tensors.size());
  std::vector<uint32_t> shares_with(tensors.size());
  std::iota(shares_with.begin(), shares_with.end(), 0u);
  if (work.options.pytorch_bin) {
    STKIT_TRY(check_torch_options(work.options));
    shares_with = group_shared_tensors(work.model, tensors);
  }
  STKIT_ASSIGN(CastRules casts, CastRules::make(work.model, work.options));
  for (SelectedTensor& tensor : tensors) {
    const auto index = static_cast<size_t>(tensor.source - work.model.tensors().data());
    const bool decoded = !work.decoded.empty() && work.decoded[index];
    const DType dtype = casts.output_dtype(*tensor.source, decoded);
    add_tensor(std::move(tensor), dtype, work);
    // Only one of them may be kept from a cast.
    const auto i = static_cast<uint32_t>(weights.specs.size() - 1);
    if (dtype != weights.specs[shares_with[i]].dtype) shares_with[i] = i;
  }
  casts.add_warnings(work.warnings);
  const Metadata metadata = output_metadata(work);
  STKIT_ASSIGN(const std::vector<Range> shards,
               split(weights.specs, shares_with, work.options.max_shard_bytes));
  for (size_t i = 0; i < shards.size(); ++i) {
    const auto [first, last] = shards[i];
    const std::string name = shards.size() == 1 ? names.single_file
                                                : fmt::format("{}-{:05}-of-{:05}{}", names.stem,
                                                              i + 1, shards.size(), names.suffix);
    const auto part = [&](auto& all) { return std::span(all).subspan(first, last - first); };
    STKIT_ASSIGN(FilePlan file,
                 work.options.pytorch_bin
                     ? plan_torch_archive(first, part(shares_with), name, work)
                     : plan_file(part(weights.specs), first, metadata, work.options));
    file.name = name;
    weights.files.push_back(std::move(file));
  }
  return {};
}

std::string shard_index_text(const OutputPlan& weights) {
  std::map<std::string_view, std::string_view> file_of;
  uint64_t total_bytes = 0;
  for (const FilePlan& file : weights.files) {
    uint64_t end = 0;  // what shares its bytes counts once
    for (const FilePlan::Tensor& tensor : file.tensors) {
      file_of.emplace(weights.specs[tensor.recipe].name, file.name);
      if (tensor.offset_bytes >= end) total_bytes += tensor.size_bytes;
      end = tensor.offset_bytes + tensor.size_bytes;
    }
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
