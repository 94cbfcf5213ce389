#include "ops/inspect/diff_values.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>

#include "base/parallel.h"
#include "base/progress_scope.h"
#include "kernels/stats.h"

namespace stkit {
namespace {

// Elements of one job: whole blocks of every dtype, a megabyte of the usual ones, so that two of
// them and their comparison stay in a core's cache.
constexpr uint64_t kJobElements = 512 * 1024;

// Elements converted to double at a time.
constexpr size_t kSliceElements = 4096;

struct Job {
  uint32_t pair;
  uint64_t first_element;
  uint64_t count;
};

struct Scratch {
  std::vector<std::byte> left, right;
  std::array<double, 2 * kSliceElements> left_numbers, right_numbers;
};

uint64_t values_per_element(const DTypeInfo& type) {
  return type.kind == DTypeKind::Complex ? 2 : 1;
}

std::span<const std::byte> elements(const DTypeInfo& type, std::span<const std::byte> bytes,
                                    uint64_t first, uint64_t count) {
  return bytes.subspan(static_cast<size_t>(first / type.block_elements * type.block_bytes),
                       static_cast<size_t>(count / type.block_elements * type.block_bytes));
}

// NaNs are equal to each other, whatever their payload; -0 and 0 are not.
bool same_number(double a, double b) {
  return std::bit_cast<uint64_t>(a) == std::bit_cast<uint64_t>(b) ||
         (std::isnan(a) && std::isnan(b));
}

void count_number(double a, double b, ValueDifference& result) {
  ++result.differing;
  if (!std::isfinite(a) || !std::isfinite(b)) {
    ++result.not_finite;
    return;
  }
  const double distance = std::abs(a - b);
  result.largest = std::max(result.largest, distance);
  result.sum += distance;
}

// GGML blocks are compared as they are stored: what differs is a block's worth of values.
ValueDifference compare_blocks(const DTypeInfo& type, std::span<const std::byte> left,
                               std::span<const std::byte> right) {
  ValueDifference result;
  for (size_t at = 0; at < left.size(); at += type.block_bytes)
    if (std::memcmp(&left[at], &right[at], type.block_bytes) != 0)
      result.differing += type.block_elements;
  result.not_finite = result.differing;
  return result;
}

ValueDifference compare_numbers(const Job& job, DType left_type, DType right_type,
                                Scratch& scratch) {
  const DTypeInfo &l = info(left_type), &r = info(right_type);
  const bool one_type = left_type == right_type;
  // Same dtype: bits decide, since 64-bit integers are not exact as doubles. Sub-byte types are,
  // one code to one double.
  const size_t value_bytes =
      one_type && l.block_elements == 1 ? l.block_bytes / values_per_element(l) : 0;
  ValueDifference result;
  for (uint64_t first = 0; first < job.count; first += kSliceElements) {
    const uint64_t count = std::min<uint64_t>(kSliceElements, job.count - first);
    const auto left = elements(l, scratch.left, first, count);
    const auto right = elements(r, scratch.right, first, count);
    if (one_type && std::memcmp(left.data(), right.data(), left.size()) == 0) continue;
    const auto values = static_cast<size_t>(count * values_per_element(l));
    const auto a = std::span(scratch.left_numbers).first(values);
    const auto b = std::span(scratch.right_numbers).first(values);
    kernels::to_double(left_type, left, a);
    kernels::to_double(right_type, right, b);
    for (size_t i = 0; i < values; ++i) {
      const bool same = value_bytes > 0 ? std::memcmp(&left[i * value_bytes],
                                                      &right[i * value_bytes], value_bytes) == 0
                                        : same_number(a[i], b[i]);
      if (!same) count_number(a[i], b[i], result);
    }
  }
  return result;
}

Result<ValueDifference> compare_job(const Model& left, const Model& right, const TensorPair& pair,
                                    const Job& job, Scratch& scratch) {
  const DTypeInfo &l = info(pair.left->dtype), &r = info(pair.right->dtype);
  const auto read = [&](const Model& model, const TensorInfo& tensor, const DTypeInfo& type,
                        std::vector<std::byte>& out) {
    out.resize(static_cast<size_t>(job.count / type.block_elements * type.block_bytes));
    return model.read(tensor, job.first_element, job.count, out);
  };
  STKIT_TRY(read(left, *pair.left, l, scratch.left));
  STKIT_TRY(read(right, *pair.right, r, scratch.right));

  ValueDifference result;
  const bool one_type = l.dtype == r.dtype;
  const bool equal_bytes = one_type && scratch.left == scratch.right;
  if (!equal_bytes)
    result = one_type && l.kind == DTypeKind::GgmlBlock
                 ? compare_blocks(l, scratch.left, scratch.right)
                 : compare_numbers(job, l.dtype, r.dtype, scratch);
  result.values = job.count * values_per_element(l);
  return result;
}

std::vector<Job> jobs_of(std::span<const TensorPair> pairs) {
  std::vector<Job> jobs;
  for (uint32_t i = 0; i < pairs.size(); ++i) {
    const uint64_t all = pairs[i].left->element_count;
    for (uint64_t first = 0; first < all; first += kJobElements)
      jobs.push_back({i, first, std::min(kJobElements, all - first)});
  }
  return jobs;
}

uint64_t bytes_of(std::span<const TensorPair> pairs) {
  uint64_t bytes = 0;
  for (const TensorPair& pair : pairs) bytes += pair.left->size_bytes;
  return bytes;
}

}  // namespace

void ValueDifference::merge(const ValueDifference& later) {
  values += later.values;
  differing += later.differing;
  not_finite += later.not_finite;
  largest = std::max(largest, later.largest);
  sum += later.sum;
}

double ValueDifference::max_abs() const {
  return values == not_finite ? std::numeric_limits<double>::quiet_NaN() : largest;
}

double ValueDifference::mean_abs() const {
  if (values == not_finite) return std::numeric_limits<double>::quiet_NaN();
  return sum / static_cast<double>(values - not_finite);
}

Result<std::vector<ValueDifference>> compare_values(const Model& left, const Model& right,
                                                    std::span<const TensorPair> pairs,
                                                    const RunOptions& run) {
  const std::vector<Job> jobs = jobs_of(pairs);
  const unsigned threads = thread_count(run);
  std::vector<ValueDifference> parts(jobs.size());
  std::vector<Scratch> scratch(threads);
  ProgressScope progress(run.progress, "comparing weights", left.name(), bytes_of(pairs));
  STKIT_TRY(parallel_for(
      jobs.size(), threads, run.cancel, [&](size_t i, unsigned worker) -> Result<void> {
        const TensorPair& pair = pairs[jobs[i].pair];
        STKIT_ASSIGN(parts[i], compare_job(left, right, pair, jobs[i], scratch[worker]));
        progress.advance(jobs[i].count / info(pair.left->dtype).block_elements *
                         info(pair.left->dtype).block_bytes);
        return {};
      }));
  STKIT_TRY(left.check_unchanged());
  STKIT_TRY(right.check_unchanged());

  // In the order of the jobs, so that sums round alike whichever thread came first.
  std::vector<ValueDifference> results(pairs.size());
  for (size_t i = 0; i < jobs.size(); ++i) results[jobs[i].pair].merge(parts[i]);
  progress.done();
  return results;
}

}  // namespace stkit
