// What the weights themselves say (--deep): every byte is read once.
#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "base/parallel.h"
#include "kernels/decode.h"
#include "kernels/stats.h"
#include "model/read_blocks.h"
#include "ops/validate/checks.h"
#include "ops/validate/reading.h"
#include "stkit/text.h"

namespace stkit {
namespace {

using kernels::StatsAccumulator;

struct Job {
  uint32_t tensor;
  uint64_t first, count;  // elements
};

std::vector<Job> plan_jobs(const Context& context, size_t buffer_bytes) {
  std::vector<Job> jobs;
  const std::span<const TensorInfo> tensors = context.model.tensors();
  for (uint32_t i = 0; i < tensors.size(); ++i) {
    if (!context.readable(tensors[i])) continue;
    const DTypeInfo& row = info(tensors[i].dtype);
    if (row.kind == DTypeKind::GgmlBlock && !kernels::is_decoded(row.dtype)) continue;
    const uint64_t most = buffer_bytes / row.block_bytes * row.block_elements;
    for (uint64_t first = 0; first < tensors[i].element_count; first += most)
      jobs.push_back({i, first, std::min(most, tensors[i].element_count - first)});
  }
  return jobs;
}

// Float, and more than a vector: norms and biases may well be all zero or all one.
bool is_matrix(const TensorInfo& tensor) {
  const DTypeKind kind = info(tensor.dtype).kind;
  const auto wide = [](uint64_t dimension) { return dimension > 1; };
  const bool weights =
      kind == DTypeKind::Float || kind == DTypeKind::Complex || kind == DTypeKind::GgmlBlock;
  return weights && std::ranges::count_if(tensor.shape, wide) >= 2;
}

// The second factor of a LoRA starts at zero, and stays there for modules that were not trained.
bool may_be_zero(std::string_view name) {
  return name.find("lora_B") != name.npos || name.find("lora_up") != name.npos;
}

// Scales of quantized weights are often all the same; only a weight is meant to vary.
bool is_weight(std::string_view name) { return name.ends_with("weight"); }

// Buffers (attention masks above all) use infinities on purpose.
bool is_parameter(std::string_view name) {
  for (const std::string_view end : {"weight", "bias", "scale", "scales", "weight_scale_inv"})
    if (name.ends_with(end)) return true;
  return false;
}

// Of blocks, the values that loaders compute with: a damaged scale makes them NaN or infinite.
StatsAccumulator stats_of(DType dtype, std::span<const std::byte> elements) {
  if (info(dtype).kind != DTypeKind::GgmlBlock) return kernels::stats(dtype, elements);
  const size_t piece_bytes =
      kernels::kStatsBlockElements / info(dtype).block_elements * info(dtype).block_bytes;
  thread_local std::vector<float> values(kernels::kStatsBlockElements);
  StatsAccumulator all;
  while (!elements.empty()) {
    const auto piece = elements.first(std::min(piece_bytes, elements.size()));
    const auto decoded = std::span(values).first(kernels::value_count(dtype, piece.size()));
    kernels::decode_blocks(dtype, piece, decoded);
    kernels::add_stats(DType::F32, std::as_bytes(decoded), all);
    elements = elements.subspan(piece.size());
  }
  return all;
}

void judge(Context& context, const TensorInfo& tensor, const StatsAccumulator& seen) {
  const uint64_t values = seen.finite + seen.nan + seen.inf;
  const auto report = [&](Check check, std::string message, std::optional<Severity> severity = {}) {
    context.report({.check = check,
                    .path = context.path_of(tensor),
                    .tensor = std::string(tensor.name),
                    .message = std::move(message),
                    .severity_override = severity});
  };
  const std::string of = fmt::format("of the {} of '{}'", counted(values, "value"), tensor.name);
  const auto be = [](uint64_t count) { return count == 1 ? "is" : "are"; };
  if (seen.nan > 0)
    report(Check::NanWeights,
           fmt::format("{} {} {} NaN", format_grouped(seen.nan), of, be(seen.nan)));
  if (seen.inf > 0)
    report(Check::InfWeights,
           fmt::format("{} {} {} infinite", format_grouped(seen.inf), of, be(seen.inf)),
           is_parameter(tensor.name) ? std::nullopt : std::optional(Severity::Warning));
  if (!is_matrix(tensor) || !is_weight(tensor.name) || seen.finite < values) return;
  if (seen.zero == values) {
    if (!may_be_zero(tensor.name))
      report(Check::ZeroTensor,
             fmt::format("all {} values of '{}' {} are zero", format_grouped(values), tensor.name,
                         shape_text(tensor.shape)));
  } else if (seen.min == seen.max) {
    report(Check::ConstantTensor,
           fmt::format("all {} values of '{}' {} are {}", format_grouped(values), tensor.name,
                       shape_text(tensor.shape), seen.min));
  }
}

// --- zero tail --------------------------------------------------------------------------------

// Shorter runs of zeros end many sound files.
constexpr uint64_t kSuspiciousBytes = uint64_t{1} << 20;

// The length of the run of zeros that a file ends in, not counted into its header.
Result<uint64_t> zero_tail(const RandomAccessFile& file, uint64_t data_begin,
                           std::span<std::byte> buffer, const CancelToken* cancel) {
  uint64_t end = file.size_bytes();
  while (end > data_begin) {
    if (cancel != nullptr) STKIT_TRY(cancel->check());
    const uint64_t size = std::min<uint64_t>(buffer.size(), end - data_begin);
    const auto block = buffer.first(static_cast<size_t>(size));
    STKIT_TRY(file.read_at(end - size, block));
    const auto last = std::ranges::find_if(block.rbegin(), block.rend(),
                                           [](std::byte b) { return b != std::byte{0}; });
    const auto zeros = static_cast<uint64_t>(last - block.rbegin());
    end -= zeros;
    if (zeros < size) break;
  }
  return file.size_bytes() - end;
}

// A download that stopped leaves zeros from some odd place on. Zeros from the start of a tensor on
// are that tensor's own (WT003 reports those), and zero rows are padding of a vocabulary.
bool is_explained(const TensorInfo& tensor, uint64_t zeros_begin) {
  const uint64_t inside = zeros_begin - tensor.offset_bytes;
  if (tensor.shape.size() < 2 || tensor.shape[0] == 0) return inside == 0;
  const uint64_t row_bytes = tensor.size_bytes / tensor.shape[0];
  return row_bytes == 0 || inside % row_bytes == 0;
}

const TensorInfo* tensor_at(const Model& model, uint32_t file, uint64_t offset) {
  for (const TensorInfo& tensor : model.tensors())
    if (tensor.file == file && tensor.contiguous && offset >= tensor.offset_bytes &&
        offset - tensor.offset_bytes < tensor.size_bytes)
      return &tensor;
  return nullptr;
}

}  // namespace

void check_placeholders(Context& context) {
  for (const TensorInfo& tensor : context.model.tensors()) {
    // Markers of other tools have shape [0] by design (`scaled_fp8`), but no weight has.
    if (tensor.element_count > 0 || !tensor.name.ends_with(".weight")) continue;
    context.report({.check = Check::PlaceholderTensor,
                    .path = context.path_of(tensor),
                    .tensor = std::string(tensor.name),
                    .message = fmt::format("'{}' has shape {} and holds nothing", tensor.name,
                                           shape_text(tensor.shape))});
  }
}

Result<void> check_weights(Context& context) {
  const std::span<const TensorInfo> tensors = context.model.tensors();
  ReadBuffers buffers(context.run, 1);
  const std::vector<Job> jobs = plan_jobs(context, buffers.buffer_bytes());
  std::vector<StatsAccumulator> parts(jobs.size());
  ReadingProgress progress(context.run.progress, "reading weights", weight_items(context));
  const std::vector<uint32_t> item = items_by_file(context);
  const auto scan = [&](size_t i, unsigned worker) -> Result<void> {
    const TensorInfo& tensor = tensors[jobs[i].tensor];
    STKIT_ASSIGN(const uint64_t bytes, storage_bytes(tensor.dtype, jobs[i].count));
    const auto block = buffers.one(worker).first(static_cast<size_t>(bytes));
    STKIT_TRY(context.model.read(tensor, jobs[i].first, jobs[i].count, block));
    parts[i] = stats_of(tensor.dtype, block);
    progress.advance(item[tensor.file], bytes);
    return {};
  };
  STKIT_TRY(parallel_for(jobs.size(), buffers.threads(), context.run.cancel, scan));
  STKIT_TRY(context.model.check_unchanged());
  progress.done();
  for (size_t i = 0; i < jobs.size();) {
    const uint32_t tensor = jobs[i].tensor;
    StatsAccumulator all = parts[i];
    while (++i < jobs.size() && jobs[i].tensor == tensor) all.merge(parts[i]);
    judge(context, tensors[tensor], all);
  }
  return {};
}

Result<void> check_zero_tail(Context& context) {
  std::vector<std::byte> buffer(size_t{1} << 20);
  for (const uint32_t index : context.weights) {
    const ModelFile& weights = context.model.files()[index];
    STKIT_ASSIGN(const auto file, context.model.open_file(index));
    STKIT_ASSIGN(const uint64_t zeros,
                 zero_tail(*file, weights.header_bytes, buffer, context.run.cancel));
    if (zeros < kSuspiciousBytes) continue;
    const TensorInfo* tensor = tensor_at(context.model, index, file->size_bytes() - zeros);
    if (tensor == nullptr || is_explained(*tensor, file->size_bytes() - zeros)) continue;
    context.report({.check = Check::ZeroTail,
                    .path = weights.path,
                    .tensor = std::string(tensor->name),
                    .message = fmt::format("the last {} bytes are zero, from the middle of '{}' on",
                                           format_grouped(zeros), tensor->name)});
  }
  return {};
}

}  // namespace stkit
