// The families of statistics kernels, by how a dtype's values are best counted, and what they
// share. Internal to src/kernels.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "kernels/stats.h"
#include "stkit/dtype.h"

namespace stkit::kernels {

// Up to 8 bits: how often each code occurs says everything.
void add_code_stats(DType dtype, std::span<const uint8_t> bytes, StatsAccumulator& into);
// One block of F8_E4M3 or F8_E5M2 such as weights are: all finite, and spread around zero. False
// for any other; then `stats` means nothing.
bool usual_float8_stats(DType dtype, std::span<const uint8_t> block, StatsAccumulator& stats);
// Integers of 16 to 64 bits.
void add_integer_stats(DType dtype, std::span<const uint8_t> bytes, StatsAccumulator& into);
// F16, BF16, F32, C64, F64.
void add_float_stats(DType dtype, std::span<const uint8_t> bytes, StatsAccumulator& into);

// Sums over `count` values x of x - pilot. Any value of the block serves as the pilot: it lies
// within sqrt(count) standard deviations of the mean, so that what cancels is bounded.
struct ShiftedSums {
  double pilot = 0;
  double sum = 0;
  double sum_of_squares = 0;
  uint64_t count = 0;

  double mean() const { return pilot + sum / static_cast<double>(count); }
  double squares() const;  // of differences from the mean
  // False when the pilot is so far out (about 5 standard deviations) that digits were lost: then
  // the block is summed once more, around its mean.
  bool well_conditioned() const { return sum_of_squares <= 32 * squares(); }
};

}  // namespace stkit::kernels
