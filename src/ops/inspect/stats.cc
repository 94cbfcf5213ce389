#include "kernels/stats.h"

#include <fmt/format.h>

#include <limits>
#include <vector>

#include "ops/inspect/weight_pieces.h"
#include "stkit/inspect.h"
#include "stkit/text.h"

namespace stkit {
namespace {

using kernels::StatsAccumulator;

// A bar a pixel of a wide screen is 10,000; beyond this each thread's counts would pass 8 MiB.
constexpr size_t kMostBuckets = size_t{1} << 20;

bool has_values(const TensorInfo& tensor) {
  return info(tensor.dtype).kind != DTypeKind::GgmlBlock;
}

std::unexpected<Error> no_values(const TensorInfo& tensor) {
  return fail(ErrorCode::Unsupported,
              fmt::format("tensor '{}' is {}: its values are coded in blocks", tensor.name,
                          name(tensor.dtype)));
}

TensorStats finished(const StatsAccumulator& sums) {
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  return {.min = sums.finite > 0 ? sums.min : kNone,
          .max = sums.finite > 0 ? sums.max : kNone,
          .mean = sums.mean(),
          .std = sums.standard_deviation(),
          .values = sums.values(),
          .nan = sums.nan,
          .inf = sums.inf,
          .zero = sums.zero};
}

// Of each tensor, in the order given. Pieces are merged in their order, so the result has the same
// bits for any number of threads.
Result<std::vector<TensorStats>> stats_of(const Model& model, std::span<const uint32_t> tensors,
                                          std::span<const WeightPiece> pieces,
                                          const RunOptions& run) {
  std::vector<StatsAccumulator> parts(pieces.size());
  const auto add = [&](size_t piece, unsigned, std::span<const std::byte> bytes) {
    kernels::add_stats(model.tensors()[pieces[piece].tensor].dtype, bytes, parts[piece]);
  };
  STKIT_TRY(read_pieces(model, pieces, "reading weights", run, add));
  std::vector<TensorStats> all;
  all.reserve(tensors.size());
  size_t next = 0;
  for (const uint32_t tensor : tensors) {
    StatsAccumulator sums;
    for (; next < pieces.size() && pieces[next].tensor == tensor; ++next) sums.merge(parts[next]);
    all.push_back(finished(sums));
  }
  return all;
}

uint32_t index_of(const Model& model, const TensorInfo& tensor) {
  return static_cast<uint32_t>(&tensor - model.tensors().data());
}

}  // namespace

Result<void> add_stats(const Model& model, std::string_view glob, const RunOptions& run,
                       InspectReport& report) {
  std::vector<uint32_t> tensors = select_tensors(model, glob, Sort::File);
  std::erase_if(tensors, [&](uint32_t i) { return !has_values(model.tensors()[i]); });
  STKIT_ASSIGN(const auto stats, stats_of(model, tensors, cut_into_pieces(model, tensors), run));
  report.stats.resize(model.tensors().size());
  for (size_t i = 0; i < tensors.size(); ++i) report.stats[tensors[i]] = stats[i];
  return {};
}

Result<TensorStats> tensor_stats(const Model& model, const TensorInfo& tensor,
                                 const RunOptions& run) {
  if (!has_values(tensor)) return no_values(tensor);
  const uint32_t index[] = {index_of(model, tensor)};
  STKIT_ASSIGN(const auto stats, stats_of(model, index, cut_into_pieces(model, index), run));
  return stats.front();
}

Result<Histogram> tensor_histogram(const Model& model, const TensorInfo& tensor, size_t buckets,
                                   const RunOptions& run) {
  if (!has_values(tensor)) return no_values(tensor);
  if (buckets == 0 || buckets > kMostBuckets)
    return fail(ErrorCode::Usage,
                fmt::format("a histogram has 1 to {} buckets, not {}", format_grouped(kMostBuckets),
                            format_grouped(buckets)));
  const uint32_t index[] = {index_of(model, tensor)};
  const std::vector<WeightPiece> pieces = cut_into_pieces(model, index);
  STKIT_ASSIGN(const auto stats, stats_of(model, index, pieces, run));
  Histogram histogram{.buckets = std::vector<uint64_t>(buckets), .stats = stats.front()};
  const TensorStats& seen = histogram.stats;
  if (seen.values == seen.nan + seen.inf) return histogram;
  histogram.low = seen.min;
  histogram.high = seen.max;

  std::vector<std::vector<uint64_t>> counts(weight_threads(run), std::vector<uint64_t>(buckets));
  const auto add = [&](size_t, unsigned worker, std::span<const std::byte> bytes) {
    kernels::add_histogram(tensor.dtype, bytes, histogram.low, histogram.high, counts[worker]);
  };
  STKIT_TRY(read_pieces(model, pieces, "counting values", run, add));
  for (const auto& share : counts)
    for (size_t i = 0; i < buckets; ++i) histogram.buckets[i] += share[i];
  return histogram;
}

}  // namespace stkit
