#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/checked_math.h"
#include "stkit/tensor.h"

namespace stkit {

Result<uint64_t> element_count(Shape shape) {
  uint64_t count = 1;
  for (const uint64_t dimension : shape) {
    const auto product = checked_mul(count, dimension);
    if (!product)
      return fail(ErrorCode::Corrupt,
                  fmt::format("shape [{}] has more than 2^64 elements", fmt::join(shape, ",")));
    count = *product;
  }
  return count;
}

}  // namespace stkit
