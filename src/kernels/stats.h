// Statistics over runs of elements as they are stored. The hot loops of --stats, --deep and
// --histogram: spans in, numbers out, no I/O, no allocation.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "stkit/dtype.h"

namespace stkit::kernels {

// Sums are kept so that partial results of blocks can be combined in block order with the same
// result for any number of threads.
struct StatsAccumulator {
  double min = 0, max = 0;             // of finite values; meaningless while finite == 0
  double sum = 0, sum_of_squares = 0;  // of finite values, compensated inside one block
  uint64_t finite = 0, nan = 0, inf = 0, zero = 0;

  void merge(const StatsAccumulator& later);
};

// REQUIRES: a dtype that is not a GGML block type; whole blocks of it. Any alignment.
StatsAccumulator stats(DType dtype, std::span<const std::byte> elements);

// Adds finite values to `buckets` of equal width over [low, high]; others are ignored.
void histogram(DType dtype, std::span<const std::byte> elements, double low, double high,
               std::span<uint64_t> buckets);

// Elements as doubles (C64: two each). REQUIRES: out.size() is their number.
void to_double(DType dtype, std::span<const std::byte> elements, std::span<double> out);
// The same in float; exact for every type of 16 bits or fewer.
void to_float(DType dtype, std::span<const std::byte> elements, std::span<float> out);

}  // namespace stkit::kernels
