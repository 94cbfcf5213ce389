#include "kernels/error_sums.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/error_sums.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace stkit::kernels::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

// Lane l takes elements l, l + 8, ... on every target: a vector of double holds 1 to 8 of them.
constexpr size_t kLanes = 8;
using DD = hn::CappedTag<double, kLanes>;
using DF = hn::Rebind<float, DD>;

struct Lanes {
  HWY_ALIGN double squares[kLanes] = {};
  HWY_ALIGN double error_squares[kLanes] = {};
  HWY_ALIGN double products[kLanes] = {};
  HWY_ALIGN double max_error[kLanes] = {};
};

double sum_of(const double* lanes) {
  return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) +
         ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

// The columns [lane, lane + Lanes(dd)) of all whole rows of kLanes elements.
HWY_INLINE void add_rows(const float* x, const float* y, size_t rows, size_t lane, Lanes& lanes) {
  const DD dd;
  const DF df;
  auto squares = hn::Zero(dd), error_squares = hn::Zero(dd), products = hn::Zero(dd);
  auto max_error = hn::Zero(dd);
  for (size_t row = 0; row < rows; ++row) {
    const size_t at = row * kLanes + lane;
    const auto original = hn::PromoteTo(dd, hn::LoadU(df, x + at));
    const auto error = hn::Sub(original, hn::PromoteTo(dd, hn::LoadU(df, y + at)));
    squares = hn::Add(squares, hn::Mul(original, original));
    error_squares = hn::Add(error_squares, hn::Mul(error, error));
    products = hn::Add(products, hn::Mul(original, error));
    const auto magnitude = hn::Abs(error);
    max_error = hn::IfThenElse(hn::Gt(magnitude, max_error), magnitude, max_error);
  }
  hn::Store(squares, dd, lanes.squares + lane);
  hn::Store(error_squares, dd, lanes.error_squares + lane);
  hn::Store(products, dd, lanes.products + lane);
  hn::Store(max_error, dd, lanes.max_error + lane);
}

void add_errors(std::span<const float> x, std::span<const float> y, ErrorSums& into) {
  Lanes lanes;
  const size_t rows = x.size() / kLanes;
  for (size_t lane = 0; lane < kLanes; lane += hn::Lanes(DD()))
    add_rows(x.data(), y.data(), rows, lane, lanes);
  for (size_t i = rows * kLanes; i < x.size(); ++i) {
    const size_t lane = i % kLanes;
    const double original = x[i], error = original - static_cast<double>(y[i]);
    lanes.squares[lane] += original * original;
    lanes.error_squares[lane] += error * error;
    lanes.products[lane] += original * error;
    lanes.max_error[lane] = std::max(lanes.max_error[lane], std::fabs(error));
  }
  into.add({x.size(), sum_of(lanes.squares), sum_of(lanes.error_squares), sum_of(lanes.products),
            *std::max_element(lanes.max_error, lanes.max_error + kLanes)});
}

}  // namespace
}  // namespace stkit::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace stkit::kernels {

HWY_EXPORT(add_errors);

void ErrorSums::add(const ErrorSums& later) {
  count += later.count;
  squares += later.squares;
  error_squares += later.error_squares;
  products += later.products;
  max_error = std::max(max_error, later.max_error);
}

void add_errors(std::span<const float> originals, std::span<const float> decoded, ErrorSums& into) {
  STKIT_CHECK(originals.size() == decoded.size());
  HWY_DYNAMIC_DISPATCH(add_errors)(originals, decoded, into);
}

}  // namespace stkit::kernels
#endif  // HWY_ONCE
