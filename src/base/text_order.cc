#include <algorithm>
#include <numeric>
#include <vector>

#include "base/ascii.h"
#include "stkit/text.h"

namespace stkit {
namespace {

using ascii::is_digit;
using ascii::to_lower;

// Insertions, deletions, replacements and swaps of neighbours, any case; `limit` + 1 once there
// are more than `limit`.
size_t edit_distance(std::string_view a, std::string_view b, size_t limit) {
  std::vector<size_t> before_last(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  std::iota(last.begin(), last.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    const auto same = [&](size_t x, size_t y) { return to_lower(a[x - 1]) == to_lower(b[y - 1]); };
    for (size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (same(i, j) ? 0 : 1)});
      if (i > 1 && j > 1 && same(i, j - 1) && same(i - 1, j))
        row[j] = std::min(row[j], before_last[j - 2] + 1);
    }
    if (std::ranges::min(row) > limit && std::ranges::min(last) > limit) return limit + 1;
    before_last.swap(last);
    last.swap(row);
  }
  return last[b.size()];
}

// The digits that `text` has at `at`, without leading zeros; `at` moves behind them.
std::string_view take_number(std::string_view text, size_t& at) {
  while (at < text.size() && text[at] == '0') ++at;
  const size_t start = at;
  while (at < text.size() && is_digit(text[at])) ++at;
  return text.substr(start, at - start);
}

}  // namespace

std::string lower_case(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), to_lower);
  return lower;
}

std::string_view nearest(std::string_view typed, std::span<const std::string_view> candidates) {
  // Nobody mistypes a name this long, and the distance costs its square.
  constexpr size_t kLongest = 256;
  if (typed.empty() || typed.size() > kLongest) return {};

  std::string_view best;
  size_t best_distance = ~size_t{0};
  for (const std::string_view candidate : candidates) {
    // One slip in every three characters still looks like the same word.
    const size_t longer = std::max(typed.size(), candidate.size());
    const size_t limit = std::min({std::max<size_t>(longer, 3) / 3, longer - 1, best_distance - 1});
    if (longer - std::min(typed.size(), candidate.size()) > limit) continue;
    const size_t distance = edit_distance(typed, candidate, limit);
    if (distance > limit) continue;
    best = candidate;
    best_distance = distance;
    if (distance == 0) break;
  }
  return best;
}

bool natural_less(std::string_view left, std::string_view right) {
  size_t l = 0, r = 0;
  while (l < left.size() && r < right.size()) {
    if (is_digit(left[l]) && is_digit(right[r])) {
      const std::string_view a = take_number(left, l);
      const std::string_view b = take_number(right, r);
      if (a.size() != b.size()) return a.size() < b.size();
      if (a != b) return a < b;
    } else {
      if (left[l] != right[r])
        return static_cast<unsigned char>(left[l]) < static_cast<unsigned char>(right[r]);
      ++l, ++r;
    }
  }
  if (l < left.size() || r < right.size()) return l == left.size();
  return left < right;
}

}  // namespace stkit
