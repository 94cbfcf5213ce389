// Which type each tensor gets, so that all of them together fit a size with the least error.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace stkit::quant {

struct FitCandidate {
  uint64_t bytes = 0;
  double error = 0;  // what it adds to the total; finite
};

// Of each tensor's candidates the index of the one to take; nothing when even the smallest do not
// fit together. Lagrange's way: whatever a byte more would bring is the same for all tensors, so
// upgrades along each tensor's lower convex hull are taken by what they bring a byte. Where one
// does not fit, smaller ones of other tensors may; the error is off from the least by less than
// what one upgrade brings. The same for the same numbers. REQUIRES: every tensor has a candidate.
std::optional<std::vector<size_t>> fit_to_size(std::span<const std::vector<FitCandidate>> tensors,
                                               uint64_t budget_bytes);

}  // namespace stkit::quant
