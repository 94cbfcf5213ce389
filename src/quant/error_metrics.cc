#include "quant/error_metrics.h"

#include <cmath>
#include <limits>

namespace stkit::quant {

using kernels::ErrorSums;

ErrorMetrics error_metrics(const ErrorSums& sums) {
  ErrorMetrics metrics{.sqnr_db = std::numeric_limits<double>::infinity()};
  if (sums.count == 0 || sums.error_squares == 0) return metrics;
  metrics.rmse = std::sqrt(sums.error_squares / static_cast<double>(sums.count));
  metrics.relative_rmse = std::sqrt(sums.error_squares / sums.squares);
  // With decoded y = x - d: x * y and y * y from the sums of x * x, x * d and d * d.
  const double dot = sums.squares - sums.products;
  const double decoded = sums.squares - 2 * sums.products + sums.error_squares;
  metrics.cosine_similarity = decoded > 0 ? dot / std::sqrt(sums.squares * decoded) : 0;
  metrics.sqnr_db = 10 * std::log10(sums.squares / sums.error_squares);
  metrics.max_abs_error = sums.max_error;
  return metrics;
}

void OrderedErrorSums::add(uint64_t first_element, const ErrorSums& piece) {
  const std::lock_guard lock(mutex_);
  waiting_.emplace(first_element, piece);
  for (auto next = waiting_.begin(); next != waiting_.end() && next->first == total_.count;
       next = waiting_.erase(next))
    total_.add(next->second);
}

}  // namespace stkit::quant
