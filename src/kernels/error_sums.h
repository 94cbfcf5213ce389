// How far decoded weights are from the originals, as sums that can be added up.
//
// The same bits on every CPU: sums run over a fixed number of lanes in a fixed order, in double,
// and no multiply-add is fused.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace stkit::kernels {

// Of originals x and their errors d = x - decoded.
struct ErrorSums {
  uint64_t count = 0;
  double squares = 0;        // x * x
  double error_squares = 0;  // d * d
  double products = 0;       // x * d
  double max_error = 0;      // |d|; NaN does not show here, but in the sums

  void add(const ErrorSums& later);
};

// Adds the sums over these values. REQUIRES: as many decoded as originals.
void add_errors(std::span<const float> originals, std::span<const float> decoded, ErrorSums& into);

}  // namespace stkit::kernels
