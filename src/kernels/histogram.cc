#include <algorithm>
#include <array>
#include <cmath>

#include "base/check.h"
#include "kernels/stats.h"

namespace stkit::kernels {

void add_histogram(DType dtype, std::span<const std::byte> elements, double low, double high,
                   std::span<uint64_t> buckets) {
  STKIT_CHECK(low <= high && std::isfinite(low) && std::isfinite(high) && !buckets.empty());
  // By halves, so that the width of a range over all of double is finite.
  const double half_low = low / 2, half_width = high / 2 - half_low;
  const double count = static_cast<double>(buckets.size());
  // Of widths at the ends of double's range the inverse loses its digits, or is no number.
  const double per_half = half_width > 0 ? count / half_width : 1;

  // A piece of whole blocks in every dtype, small enough for the stack and the L1 cache.
  constexpr size_t kPieceElements = 1024;
  std::array<double, kPieceElements * 2> values;
  const DTypeInfo& row = info(dtype);
  const size_t piece_bytes = kPieceElements / row.block_elements * row.block_bytes;
  while (!elements.empty()) {
    const auto piece = elements.first(std::min(elements.size(), piece_bytes));
    const std::span numbers(values.data(), value_count(dtype, piece.size()));
    to_double(dtype, piece, numbers);
    for (const double value : numbers) {
      if (!(value >= low && value <= high)) continue;
      const double position = std::isnormal(per_half) ? (value / 2 - half_low) * per_half
                                                      : (value / 2 - half_low) / half_width * count;
      ++buckets[static_cast<size_t>(std::min(position, count - 1))];
    }
    elements = elements.subspan(piece.size());
  }
}

}  // namespace stkit::kernels
