#include "quant/fit.h"

#include <algorithm>
#include <numeric>

namespace stkit::quant {
namespace {

// From one candidate on a tensor's hull to the next.
struct Upgrade {
  size_t tensor;
  size_t to;  // index of the candidate
  uint64_t bytes;
  double gain_per_byte;
};

double gain_per_byte(const FitCandidate& from, const FitCandidate& to) {
  return (from.error - to.error) / static_cast<double>(to.bytes - from.bytes);
}

// The candidates that are the best for some worth of a byte, from the fewest bytes to the most.
std::vector<size_t> hull_of(const std::vector<FitCandidate>& candidates) {
  std::vector<size_t> order(candidates.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(
      order, {}, [&](size_t i) { return std::pair(candidates[i].bytes, candidates[i].error); });
  std::vector<size_t> hull;
  for (const size_t i : order) {
    const FitCandidate& next = candidates[i];
    if (!hull.empty() && next.error >= candidates[hull.back()].error) continue;
    while (hull.size() >= 2 &&
           gain_per_byte(candidates[hull[hull.size() - 2]], candidates[hull.back()]) <=
               gain_per_byte(candidates[hull.back()], next))
      hull.pop_back();
    hull.push_back(i);
  }
  return hull;
}

}  // namespace

std::optional<std::vector<size_t>> fit_to_size(std::span<const std::vector<FitCandidate>> tensors,
                                               uint64_t budget_bytes) {
  std::vector<size_t> choice;
  std::vector<Upgrade> upgrades;
  uint64_t left = budget_bytes;
  for (size_t tensor = 0; tensor < tensors.size(); ++tensor) {
    const std::vector<FitCandidate>& candidates = tensors[tensor];
    const std::vector<size_t> hull = hull_of(candidates);
    if (candidates[hull.front()].bytes > left) return std::nullopt;
    left -= candidates[hull.front()].bytes;
    choice.push_back(hull.front());
    for (size_t i = 1; i < hull.size(); ++i) {
      const FitCandidate &from = candidates[hull[i - 1]], &to = candidates[hull[i]];
      upgrades.push_back({tensor, hull[i], to.bytes - from.bytes, gain_per_byte(from, to)});
    }
  }
  // Along a hull the gains fall, so a tensor's upgrades stay in their order.
  std::ranges::stable_sort(upgrades, std::greater{}, &Upgrade::gain_per_byte);
  std::vector<bool> closed(tensors.size());
  for (const Upgrade& upgrade : upgrades) {
    if (closed[upgrade.tensor]) continue;
    if (upgrade.bytes > left) {
      closed[upgrade.tensor] = true;
      continue;
    }
    left -= upgrade.bytes;
    choice[upgrade.tensor] = upgrade.to;
  }
  return choice;
}

}  // namespace stkit::quant
