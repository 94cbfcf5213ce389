#include "kernels/stats.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/check.h"
#include "kernels/stats_blocks.h"

namespace stkit::kernels {
namespace {

void change_exponent(StatsAccumulator& stats, int exponent) {
  if (exponent == stats.exponent) return;
  stats.scaled_mean = std::ldexp(stats.scaled_mean, exponent - stats.exponent);
  stats.scaled_squares = std::ldexp(stats.scaled_squares, 2 * (exponent - stats.exponent));
  stats.exponent = exponent;
}

}  // namespace

double StatsAccumulator::mean() const {
  if (finite == 0) return std::numeric_limits<double>::quiet_NaN();
  return std::ldexp(scaled_mean, -exponent);
}

double StatsAccumulator::standard_deviation() const {
  if (finite == 0) return std::numeric_limits<double>::quiet_NaN();
  return std::ldexp(std::sqrt(scaled_squares / static_cast<double>(finite)), -exponent);
}

// Means and squares combine as in Chan, Golub and LeVeque, "Updating formulae and a pairwise
// algorithm for computing sample variances" (1979).
void StatsAccumulator::merge(const StatsAccumulator& later) {
  nan += later.nan;
  inf += later.inf;
  zero += later.zero;
  if (later.finite == 0) return;
  if (finite == 0) {
    const StatsAccumulator counts = *this;
    *this = later;
    nan = counts.nan;
    inf = counts.inf;
    zero = counts.zero;
    return;
  }
  min = std::min(min, later.min);
  max = std::max(max, later.max);

  StatsAccumulator other = later;
  // The lower exponent is that of the larger values: what the smaller ones lose does not show.
  change_exponent(*this, std::min(exponent, later.exponent));
  change_exponent(other, exponent);
  const double all = static_cast<double>(finite + other.finite);
  const double share = static_cast<double>(other.finite) / all;
  const double apart = other.scaled_mean - scaled_mean;
  scaled_squares += other.scaled_squares + apart * apart * (static_cast<double>(finite) * share);
  scaled_mean += apart * share;
  finite += other.finite;
}

double ShiftedSums::squares() const {
  const double difference = sum_of_squares - sum * (sum / static_cast<double>(count));
  return std::max(difference, 0.0);
}

void add_stats(DType dtype, std::span<const std::byte> elements, StatsAccumulator& into) {
  const std::span bytes(reinterpret_cast<const uint8_t*>(elements.data()), elements.size());
  const DTypeInfo& row = info(dtype);
  STKIT_CHECK(bytes.size() % row.block_bytes == 0);
  switch (row.kind) {
    case DTypeKind::Bool:
    case DTypeKind::Signed:
    case DTypeKind::Unsigned:
    case DTypeKind::Float:
    case DTypeKind::Complex:
      if (row.bits() <= 8) return add_code_stats(dtype, bytes, into);
      if (row.kind == DTypeKind::Float || row.kind == DTypeKind::Complex)
        return add_float_stats(dtype, bytes, into);
      return add_integer_stats(dtype, bytes, into);
    case DTypeKind::GgmlBlock: break;
  }
  STKIT_CHECK(false && "statistics of a GGML block type");
}

}  // namespace stkit::kernels
