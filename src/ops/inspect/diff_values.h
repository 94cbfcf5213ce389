// How far apart the values of two models are.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "stkit/model.h"
#include "stkit/progress.h"

namespace stkit {

// REQUIRES: one shape; one dtype, or two that both have numbers (both complex or neither).
struct TensorPair {
  const TensorInfo* left;
  const TensorInfo* right;
};

struct ValueDifference {
  uint64_t values = 0;      // all of them, complex ones as two
  uint64_t differing = 0;   // in their bits, or as numbers where the dtypes differ
  uint64_t not_finite = 0;  // of the differing ones: a side is NaN or infinite, or has no number
  double largest = 0;
  double sum = 0;

  void merge(const ValueDifference& later);
  double max_abs() const;
  double mean_abs() const;
};

// One result a pair, the same for any number of threads.
Result<std::vector<ValueDifference>> compare_values(const Model& left, const Model& right,
                                                    std::span<const TensorPair> pairs,
                                                    const RunOptions& run);

}  // namespace stkit
