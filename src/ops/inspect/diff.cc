#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "ops/inspect/diff_values.h"
#include "stkit/inspect.h"
#include "stkit/text.h"

namespace stkit {
namespace {

std::string shape_text(Shape shape) { return fmt::format("[{}]", fmt::join(shape, ",")); }

std::vector<uint32_t> sorted_by_name(const Model& model) {
  const auto tensors = model.tensors();
  std::vector<uint32_t> order(tensors.size());
  std::iota(order.begin(), order.end(), 0u);
  std::ranges::sort(order, {}, [&](uint32_t i) { return std::pair(tensors[i].name, i); });
  return order;
}

// Walks both models' tensors in the order of their names. Sorted indices instead of a map: a
// million tensors take eight megabytes.
template <class OnLeft, class OnRight, class OnBoth>
void merge_join(const Model& left, const Model& right, OnLeft only_left, OnRight only_right,
                OnBoth both) {
  const auto a = sorted_by_name(left), b = sorted_by_name(right);
  size_t i = 0, j = 0;
  while (i < a.size() || j < b.size()) {
    const TensorInfo* l = i < a.size() ? &left.tensors()[a[i]] : nullptr;
    const TensorInfo* r = j < b.size() ? &right.tensors()[b[j]] : nullptr;
    if (r == nullptr || (l != nullptr && l->name < r->name)) {
      only_left(*l);
      ++i;
    } else if (l == nullptr || r->name < l->name) {
      only_right(*r);
      ++j;
    } else {
      both(*l, *r);
      ++i;
      ++j;
    }
  }
}

TensorDiff difference(DiffKind kind, const TensorInfo& tensor, std::string left,
                      std::string right) {
  TensorDiff diff;
  diff.kind = kind;
  diff.tensor = tensor.name;
  diff.left = std::move(left);
  diff.right = std::move(right);
  return diff;
}

std::string describe(const TensorInfo& tensor) {
  return fmt::format("{} {}", name(tensor.dtype), shape_text(tensor.shape));
}

std::vector<std::string> compare_metadata(const Model& left, const Model& right) {
  std::vector<std::string> lines;
  const auto line = [&](const std::string& key, std::string_view from, std::string_view to) {
    lines.push_back(fmt::format("{}: {} -> {}", key, from, to));
  };
  for (const auto& [key, value] : left.metadata()) {
    const auto other = right.metadata().find(key);
    if (other == right.metadata().end())
      line(key, value, "(absent)");
    else if (other->second != value)
      line(key, value, other->second);
  }
  for (const auto& [key, value] : right.metadata())
    if (!left.metadata().contains(key)) line(key, "(absent)", value);
  std::ranges::sort(lines, natural_less);
  return lines;
}

bool has_numbers(const TensorInfo& tensor) {
  return info(tensor.dtype).kind != DTypeKind::GgmlBlock;
}

bool comparable_values(const TensorInfo& l, const TensorInfo& r) {
  if (!std::ranges::equal(l.shape, r.shape)) return false;
  const bool complex_both =
      (info(l.dtype).kind == DTypeKind::Complex) == (info(r.dtype).kind == DTypeKind::Complex);
  return l.dtype == r.dtype || (has_numbers(l) && has_numbers(r) && complex_both);
}

}  // namespace

std::string_view name(DiffKind kind) {
  constexpr std::string_view kNames[] = {"only_left", "only_right", "dtype", "shape", "data"};
  return kNames[static_cast<size_t>(kind)];
}

Result<DiffReport> diff(const Model& left, const Model& right, bool data, const RunOptions& run) {
  DiffReport report;
  report.data_compared = data;
  report.metadata = compare_metadata(left, right);
  std::vector<TensorPair> pairs;
  merge_join(
      left, right,
      [&](const TensorInfo& l) {
        report.differences.push_back(difference(DiffKind::OnlyLeft, l, describe(l), {}));
      },
      [&](const TensorInfo& r) {
        report.differences.push_back(difference(DiffKind::OnlyRight, r, {}, describe(r)));
      },
      [&](const TensorInfo& l, const TensorInfo& r) {
        ++report.compared;
        const bool same_type = l.dtype == r.dtype;
        const bool same_shape = std::ranges::equal(l.shape, r.shape);
        if (!same_type)
          report.differences.push_back(difference(DiffKind::DType, l, std::string(name(l.dtype)),
                                                  std::string(name(r.dtype))));
        if (!same_shape)
          report.differences.push_back(
              difference(DiffKind::Dimensions, l, shape_text(l.shape), shape_text(r.shape)));
        if (same_type && same_shape) ++report.equal;
        if (data && comparable_values(l, r)) pairs.push_back({&l, &r});
      });

  if (data) {
    STKIT_ASSIGN(const std::vector<ValueDifference> found, compare_values(left, right, pairs, run));
    for (size_t i = 0; i < pairs.size(); ++i) {
      if (found[i].differing == 0) continue;
      TensorDiff row = difference(DiffKind::Data, *pairs[i].left, {}, {});
      row.differing_values = found[i].differing;
      row.max_abs_difference = found[i].max_abs();
      row.mean_abs_difference = found[i].mean_abs();
      report.differences.push_back(std::move(row));
      if (pairs[i].left->dtype == pairs[i].right->dtype) --report.equal;
    }
  }
  std::ranges::sort(report.differences, [](const TensorDiff& a, const TensorDiff& b) {
    return a.tensor == b.tensor ? a.kind < b.kind : natural_less(a.tensor, b.tensor);
  });
  return report;
}

}  // namespace stkit
