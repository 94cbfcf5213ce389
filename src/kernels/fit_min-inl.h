// The search of reference::fit_with_min, one sub-block a lane.

#if defined(STKIT_KERNELS_FIT_MIN_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef STKIT_KERNELS_FIT_MIN_INL_H_
#undef STKIT_KERNELS_FIT_MIN_INL_H_
#else
#define STKIT_KERNELS_FIT_MIN_INL_H_
#endif

#include "kernels/block_fit.h"
#include "kernels/encode_tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace stkit::kernels::HWY_NAMESPACE {
namespace {

constexpr reference::Grid kImportanceGrid{-0.9f, 0.05f, 36, false};

template <int kMaxCodeValue, size_t kElementsValue, size_t kStepsValue, bool kAbsoluteValue>
struct MinRecipe {
  static constexpr int kMaxCode = kMaxCodeValue;
  static constexpr size_t kElements = kElementsValue;  // of a sub-block
  static constexpr size_t kLanes = kBatchElements / kElements;
  static constexpr size_t kSteps = kStepsValue;
  static constexpr bool kAbsolute = kAbsoluteValue;
};

template <class R>
struct alignas(64) MinTile {
  static constexpr size_t kLanes = R::kLanes;

  float x[kBatchElements];
  float weights[kBatchElements];
  float scale[R::kLanes], min[R::kLanes];
  // The grid point of the best fit: its codes are wanted only where a scale becomes zero.
  float best_inverse[R::kLanes], best_low[R::kLanes];
  float weight_sum[R::kLanes];
  float odd[R::kLanes];  // not zero: the reference must do this sub-block
};

// The search of reference::fit_with_min for kUnroll vectors of sub-blocks starting at lane `at`.
template <class R, size_t kU>
HWY_INLINE void fit_min(MinTile<R>& tile, size_t at, const reference::Grid& grid) {
  const D d;
  const size_t n = hn::Lanes(d);
  const V zero = hn::Zero(d);
  const V full = hn::Set(d, static_cast<float>(R::kMaxCode));
  const float* const xs = tile.x + at;
  const float* const ws = tile.weights + at;
  const auto x_at = [&](size_t i, size_t u)
                        HWY_ATTR { return hn::Load(d, xs + i * R::kLanes + u * n); };
  const auto w_at = [&](size_t i, size_t u)
                        HWY_ATTR { return hn::Load(d, ws + i * R::kLanes + u * n); };

  Vs<kU> low, high, sum_w, sum_x, smallest;
  for (size_t u = 0; u < kU; ++u) {
    low.v[u] = high.v[u] = x_at(0, u);
    sum_w.v[u] = w_at(0, u);
    sum_x.v[u] = hn::Mul(sum_w.v[u], low.v[u]);
  }
  for (size_t i = 1; i < R::kElements; ++i) {
    for (size_t u = 0; u < kU; ++u) {
      const V x = x_at(i, u), w = w_at(i, u);
      low.v[u] = hn::Min(x, low.v[u]);
      high.v[u] = hn::Max(x, high.v[u]);
      sum_w.v[u] = hn::Add(sum_w.v[u], w);
      sum_x.v[u] = hn::Add(sum_x.v[u], hn::Mul(w, x));
    }
  }

  Vs<kU> best, scale, best_inverse, best_low, bad;
  for (size_t u = 0; u < kU; ++u) {
    smallest.v[u] = low.v[u];
    low.v[u] = hn::Min(low.v[u], zero);
    best_inverse.v[u] = hn::Div(full, hn::Sub(high.v[u], low.v[u]));
    best_low.v[u] = low.v[u];
    scale.v[u] = hn::Div(hn::Set(d, 1.0f), best_inverse.v[u]);
    best.v[u] = zero;
    bad.v[u] = zero;
  }
  for (size_t i = 0; i < R::kElements; ++i) {
    for (size_t u = 0; u < kU; ++u) {
      const V x = x_at(i, u);
      // No clamps: 0 <= x - low <= high - low, so the codes are in range by themselves.
      const V l = round_near(hn::Mul(best_inverse.v[u], hn::Sub(x, low.v[u])));
      const V e = hn::Sub(hn::Add(hn::Mul(scale.v[u], l), low.v[u]), x);
      const V size = R::kAbsolute ? hn::Abs(e) : hn::Mul(e, e);
      best.v[u] = hn::Add(best.v[u], hn::Mul(w_at(i, u), size));
    }
  }

  alignas(64) float trial[R::kElements * kU * HWY_MAX_BYTES / sizeof(float)];
  for (size_t step = 0; step <= R::kSteps; ++step) {
    const float numerator =
        grid.start + grid.step * static_cast<float>(step) + static_cast<float>(R::kMaxCode);
    Vs<kU> inverse, sum_l, sum_l2, sum_xl;
    for (size_t u = 0; u < kU; ++u) {
      const V range = hn::Sub(high.v[u], low.v[u]);
      inverse.v[u] = hn::Div(hn::Set(d, numerator), range);
      sum_l.v[u] = sum_l2.v[u] = sum_xl.v[u] = zero;
      // The rounding trick and the missing clamp need a positive range and products in reach.
      const V reach = hn::Max(hn::Abs(hn::Sub(smallest.v[u], low.v[u])), range);
      const auto fine = hn::And(hn::Gt(range, zero),
                                hn::Le(hn::Mul(inverse.v[u], reach), hn::Set(d, kRoundLimit)));
      bad.v[u] = hn::Add(bad.v[u], hn::IfThenElse(fine, zero, hn::Set(d, 1.0f)));
    }
    const auto accumulate = [&](auto clamp_above) HWY_ATTR {
      for (size_t i = 0; i < R::kElements; ++i) {
        for (size_t u = 0; u < kU; ++u) {
          const V x = x_at(i, u), w = w_at(i, u);
          V l = round_near(hn::Mul(inverse.v[u], hn::Sub(x, low.v[u])));
          if constexpr (clamp_above()) l = hn::Min(l, full);
          l = hn::Max(l, zero);
          hn::Store(l, d, trial + (i * kU + u) * n);
          const V wl = hn::Mul(w, l);
          sum_l.v[u] = hn::Add(sum_l.v[u], wl);
          sum_l2.v[u] = hn::Add(sum_l2.v[u], hn::Mul(wl, l));
          sum_xl.v[u] = hn::Add(sum_xl.v[u], hn::Mul(wl, x));
        }
      }
    };
    // (x - low) * inverse <= numerator (1 + 2^-22), which rounds to max_code by itself.
    if (numerator < static_cast<float>(R::kMaxCode) + 0.49f)
      accumulate(std::false_type());
    else
      accumulate(std::true_type());

    Vs<kU> slope, offset, error;
    for (size_t u = 0; u < kU; ++u) {
      const V det = hn::Sub(hn::Mul(sum_w.v[u], sum_l2.v[u]), hn::Mul(sum_l.v[u], sum_l.v[u]));
      const V a =
          hn::Div(hn::Sub(hn::Mul(sum_w.v[u], sum_xl.v[u]), hn::Mul(sum_x.v[u], sum_l.v[u])), det);
      const V b =
          hn::Div(hn::Sub(hn::Mul(sum_l2.v[u], sum_x.v[u]), hn::Mul(sum_l.v[u], sum_xl.v[u])), det);
      const auto above = hn::Gt(b, zero);
      slope.v[u] = hn::IfThenElse(above, hn::Div(sum_xl.v[u], sum_l2.v[u]), a);
      offset.v[u] = hn::IfThenElse(above, zero, b);
      error.v[u] = zero;
      // A determinant that is not positive skips the step: make the error too large to win.
      sum_l.v[u] = hn::IfThenElse(hn::Gt(det, zero), zero, hn::Set(d, HUGE_VALF));
    }
    for (size_t i = 0; i < R::kElements; ++i) {
      for (size_t u = 0; u < kU; ++u) {
        const V l = hn::Load(d, trial + (i * kU + u) * n);
        const V e = hn::Sub(hn::Add(hn::Mul(slope.v[u], l), offset.v[u]), x_at(i, u));
        const V size = R::kAbsolute ? hn::Abs(e) : hn::Mul(e, e);
        error.v[u] = hn::Add(error.v[u], hn::Mul(w_at(i, u), size));
      }
    }
    for (size_t u = 0; u < kU; ++u) {
      const auto better = hn::Lt(hn::Add(error.v[u], sum_l.v[u]), best.v[u]);
      best.v[u] = hn::IfThenElse(better, error.v[u], best.v[u]);
      scale.v[u] = hn::IfThenElse(better, slope.v[u], scale.v[u]);
      best_inverse.v[u] = hn::IfThenElse(better, inverse.v[u], best_inverse.v[u]);
      best_low.v[u] = hn::IfThenElse(better, low.v[u], best_low.v[u]);
      low.v[u] = hn::IfThenElse(better, offset.v[u], low.v[u]);
    }
  }
  for (size_t u = 0; u < kU; ++u) {
    const size_t lane = at + u * n;
    hn::Store(scale.v[u], d, tile.scale + lane);
    hn::Store(hn::Neg(low.v[u]), d, tile.min + lane);
    hn::Store(best_inverse.v[u], d, tile.best_inverse + lane);
    hn::Store(best_low.v[u], d, tile.best_low + lane);
    hn::Store(sum_w.v[u], d, tile.weight_sum + lane);
    hn::Store(hn::Add(bad.v[u], hn::Load(d, tile.odd + lane)), d, tile.odd + lane);
  }
}

// The code that the best fit of `lane` gave to `value`.
template <class R>
uint8_t fitted_code(const MinTile<R>& tile, size_t lane, float value) {
  const float scaled = tile.best_inverse[lane] * (value - tile.best_low[lane]);
  return static_cast<uint8_t>(std::clamp(reference::round_to_int(scaled), 0, R::kMaxCode));
}

}  // namespace
}  // namespace stkit::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // STKIT_KERNELS_FIT_MIN_INL_H_
