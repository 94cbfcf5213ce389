// How faithful quantized weights are, summed up over pieces that several threads encode.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>

#include "kernels/error_sums.h"
#include "stkit/quantize.h"

namespace stkit::quant {

ErrorMetrics error_metrics(const kernels::ErrorSums& sums);

// Sums of one tensor. Pieces come from any thread in any order and are added up in the order of
// their elements, so that the result has the same bits in every run. Thread-safe.
class OrderedErrorSums {
 public:
  // REQUIRES: the pieces of all calls together are the tensor, each element once.
  void add(uint64_t first_element, const kernels::ErrorSums& piece);

  // REQUIRES: all pieces were added.
  const kernels::ErrorSums& total() const { return total_; }

 private:
  std::mutex mutex_;
  kernels::ErrorSums total_;  // of the elements in front of the first that is missing
  // Behind a gap: a few, since pieces are handed out in order.
  std::map<uint64_t, kernels::ErrorSums> waiting_;
};

}  // namespace stkit::quant
