// Statistics over runs of elements as they are stored. The hot loops of --stats, --deep and
// --histogram: spans in, numbers out, no I/O, no allocation.
//
// Results are the same bits on every CPU: sums run over a fixed number of lanes in a fixed order,
// whatever the width of the vectors, and no multiply-add is fused but where the product is exact.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "kernels/convert.h"
#include "stkit/dtype.h"

namespace stkit::kernels {

// What is known of a run of values. Mean and deviation are kept rather than sums of x and x^2,
// whose difference loses every digit when the mean is large against the spread.
struct StatsAccumulator {
  uint64_t finite = 0, nan = 0, inf = 0, zero = 0;
  double min = 0, max = 0;  // of finite values; meaningless while finite == 0
  // Of the finite values times 2^exponent. The exponent is 0 but for F64 beyond 2^400 or below
  // 2^-400, whose squares a double cannot hold.
  double scaled_mean = 0;
  double scaled_squares = 0;  // sum of squared differences from the mean
  int exponent = 0;

  uint64_t values() const { return finite + nan + inf; }
  double mean() const;                // NaN when there is no finite value
  double standard_deviation() const;  // of the population

  // Adds the values of `later`. Merging the same parts in the same order gives the same bits.
  void merge(const StatsAccumulator& later);
};

// Whoever hands a tensor over in pieces cuts it at multiples of this many elements: then the result
// does not depend on the pieces. A multiple of it is whole bytes in every dtype.
inline constexpr size_t kStatsBlockElements = 16384;

// Adds elements to `into`. C64 counts as two values each.
// REQUIRES: a dtype that is not a GGML block type; whole blocks of it. Any alignment.
void add_stats(DType dtype, std::span<const std::byte> elements, StatsAccumulator& into);

inline StatsAccumulator stats(DType dtype, std::span<const std::byte> elements) {
  StatsAccumulator result;
  add_stats(dtype, elements, result);
  return result;
}

// Adds finite values to `buckets` of equal width over [low, high]; values outside are ignored, and
// `high` itself falls into the last bucket.
// REQUIRES: low <= high, both finite; buckets not empty; otherwise as add_stats.
void add_histogram(DType dtype, std::span<const std::byte> elements, double low, double high,
                   std::span<uint64_t> buckets);

}  // namespace stkit::kernels
