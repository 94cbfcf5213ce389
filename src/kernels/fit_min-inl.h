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

// The search of reference::fit_with_min for kU vectors of sub-blocks starting at lane `at`, in
// phases: what waits for divisions in one search is time for the sums of another.
template <class R, size_t kU>
class MinSearch {
 public:
  HWY_INLINE void start(MinTile<R>& tile, size_t at) {
    tile_ = &tile;
    at_ = at;
    xs_ = tile.x + at;
    ws_ = tile.weights + at;
    sum_values();
    sum_first_error();
  }

  // Tries the next grid point: codes, their sums, and the line through them.
  HWY_INLINE void try_codes(float numerator) {
    const D d;
    const V zero = hn::Zero(d);
    Vs<kU> sum_l, sum_l2, sum_xl;
    for (size_t u = 0; u < kU; ++u) {
      const V range = hn::Sub(high_.v[u], low_.v[u]);
      inverse_.v[u] = hn::Div(hn::Set(d, numerator), range);
      // The rounding trick and the missing clamp need a positive range and products in reach.
      const V reach = hn::Max(hn::Abs(hn::Sub(smallest_.v[u], low_.v[u])), range);
      const auto fine = hn::And(hn::Gt(range, zero),
                                hn::Le(hn::Mul(inverse_.v[u], reach), hn::Set(d, kRoundLimit)));
      bad_.v[u] = hn::Add(bad_.v[u], hn::IfThenElse(fine, zero, hn::Set(d, 1.0f)));
    }
    // (x - low) * inverse <= numerator (1 + 2^-22), which rounds to max_code by itself.
    if (numerator < static_cast<float>(R::kMaxCode) + 0.49f)
      sum_codes<false>(sum_l, sum_l2, sum_xl);
    else
      sum_codes<true>(sum_l, sum_l2, sum_xl);
    for (size_t u = 0; u < kU; ++u) {
      const V det = hn::Sub(hn::Mul(sum_w_.v[u], sum_l2.v[u]), hn::Mul(sum_l.v[u], sum_l.v[u]));
      const V a = hn::Div(
          hn::Sub(hn::Mul(sum_w_.v[u], sum_xl.v[u]), hn::Mul(sum_x_.v[u], sum_l.v[u])), det);
      const V b = hn::Div(
          hn::Sub(hn::Mul(sum_l2.v[u], sum_x_.v[u]), hn::Mul(sum_l.v[u], sum_xl.v[u])), det);
      const auto above = hn::Gt(b, zero);
      slope_.v[u] = hn::IfThenElse(above, hn::Div(sum_xl.v[u], sum_l2.v[u]), a);
      offset_.v[u] = hn::IfThenElse(above, zero, b);
      // A determinant that is not positive skips the step: make the error too large to win.
      handicap_.v[u] = hn::IfThenElse(hn::Gt(det, zero), zero, hn::Set(d, HUGE_VALF));
    }
  }

  // Takes the line where its error is the least so far. REQUIRES: after try_codes.
  HWY_INLINE void take_if_better() {
    const D d;
    const size_t n = hn::Lanes(d);
    // Locals, since a store to memory may change members as far as the compiler knows.
    const float *const xs = xs_, *const ws = ws_;
    const Vs<kU> slope = slope_, offset = offset_;
    Vs<kU> error;
    for (size_t u = 0; u < kU; ++u) error.v[u] = hn::Zero(d);
    for (size_t i = 0; i < R::kElements; ++i) {
      for (size_t u = 0; u < kU; ++u) {
        const V x = hn::Load(d, xs + i * R::kLanes + u * n);
        const V w = hn::Load(d, ws + i * R::kLanes + u * n);
        const V l = hn::Load(d, trial_ + (i * kU + u) * n);
        error.v[u] = hn::Add(error.v[u], weighted_error(x, w, l, slope.v[u], offset.v[u]));
      }
    }
    for (size_t u = 0; u < kU; ++u) {
      const auto better = hn::Lt(hn::Add(error.v[u], handicap_.v[u]), best_.v[u]);
      best_.v[u] = hn::IfThenElse(better, error.v[u], best_.v[u]);
      scale_.v[u] = hn::IfThenElse(better, slope_.v[u], scale_.v[u]);
      best_inverse_.v[u] = hn::IfThenElse(better, inverse_.v[u], best_inverse_.v[u]);
      best_low_.v[u] = hn::IfThenElse(better, low_.v[u], best_low_.v[u]);
      low_.v[u] = hn::IfThenElse(better, offset_.v[u], low_.v[u]);
    }
  }

  HWY_INLINE void finish() const {
    const D d;
    for (size_t u = 0; u < kU; ++u) {
      const size_t lane = at_ + u * hn::Lanes(d);
      hn::Store(scale_.v[u], d, tile_->scale + lane);
      hn::Store(hn::Neg(low_.v[u]), d, tile_->min + lane);
      hn::Store(best_inverse_.v[u], d, tile_->best_inverse + lane);
      hn::Store(best_low_.v[u], d, tile_->best_low + lane);
      hn::Store(sum_w_.v[u], d, tile_->weight_sum + lane);
      hn::Store(hn::Add(bad_.v[u], hn::Load(d, tile_->odd + lane)), d, tile_->odd + lane);
    }
  }

 private:
  static HWY_INLINE V weighted_error(V x, V w, V l, V slope, V offset) {
    const V e = hn::Sub(hn::Add(hn::Mul(slope, l), offset), x);
    return hn::Mul(w, R::kAbsolute ? hn::Abs(e) : hn::Mul(e, e));
  }

  HWY_INLINE void sum_values() {
    const D d;
    const size_t n = hn::Lanes(d);
    const float *const xs = xs_, *const ws = ws_;
    for (size_t u = 0; u < kU; ++u) {
      low_.v[u] = high_.v[u] = hn::Load(d, xs + u * n);
      sum_w_.v[u] = hn::Load(d, ws + u * n);
      sum_x_.v[u] = hn::Mul(sum_w_.v[u], low_.v[u]);
    }
    for (size_t i = 1; i < R::kElements; ++i) {
      for (size_t u = 0; u < kU; ++u) {
        const V x = hn::Load(d, xs + i * R::kLanes + u * n);
        const V w = hn::Load(d, ws + i * R::kLanes + u * n);
        low_.v[u] = hn::Min(x, low_.v[u]);
        high_.v[u] = hn::Max(x, high_.v[u]);
        sum_w_.v[u] = hn::Add(sum_w_.v[u], w);
        sum_x_.v[u] = hn::Add(sum_x_.v[u], hn::Mul(w, x));
      }
    }
  }

  HWY_INLINE void sum_first_error() {
    const D d;
    const size_t n = hn::Lanes(d);
    const V zero = hn::Zero(d);
    for (size_t u = 0; u < kU; ++u) {
      smallest_.v[u] = low_.v[u];
      low_.v[u] = hn::Min(low_.v[u], zero);
      best_inverse_.v[u] =
          hn::Div(hn::Set(d, static_cast<float>(R::kMaxCode)), hn::Sub(high_.v[u], low_.v[u]));
      best_low_.v[u] = low_.v[u];
      scale_.v[u] = hn::Div(hn::Set(d, 1.0f), best_inverse_.v[u]);
      best_.v[u] = bad_.v[u] = zero;
    }
    for (size_t i = 0; i < R::kElements; ++i) {
      for (size_t u = 0; u < kU; ++u) {
        const V x = hn::Load(d, xs_ + i * R::kLanes + u * n);
        const V w = hn::Load(d, ws_ + i * R::kLanes + u * n);
        // No clamps: 0 <= x - low <= high - low, so the codes are in range by themselves.
        const V l = round_near(hn::Mul(best_inverse_.v[u], hn::Sub(x, low_.v[u])));
        best_.v[u] = hn::Add(best_.v[u], weighted_error(x, w, l, scale_.v[u], low_.v[u]));
      }
    }
  }

  template <bool kClampAbove>
  HWY_INLINE void sum_codes(Vs<kU>& sum_l, Vs<kU>& sum_l2, Vs<kU>& sum_xl) {
    const D d;
    const size_t n = hn::Lanes(d);
    const V zero = hn::Zero(d);
    const float *const xs = xs_, *const ws = ws_;
    const Vs<kU> inverse = inverse_, low = low_;
    Vs<kU> l_sum, l2_sum, xl_sum;
    for (size_t u = 0; u < kU; ++u) l_sum.v[u] = l2_sum.v[u] = xl_sum.v[u] = zero;
    for (size_t i = 0; i < R::kElements; ++i) {
      for (size_t u = 0; u < kU; ++u) {
        const V x = hn::Load(d, xs + i * R::kLanes + u * n);
        const V w = hn::Load(d, ws + i * R::kLanes + u * n);
        V l = round_near(hn::Mul(inverse.v[u], hn::Sub(x, low.v[u])));
        if constexpr (kClampAbove) l = hn::Min(l, hn::Set(d, static_cast<float>(R::kMaxCode)));
        l = hn::Max(l, zero);
        hn::Store(l, d, trial_ + (i * kU + u) * n);
        const V wl = hn::Mul(w, l);
        l_sum.v[u] = hn::Add(l_sum.v[u], wl);
        l2_sum.v[u] = hn::Add(l2_sum.v[u], hn::Mul(wl, l));
        xl_sum.v[u] = hn::Add(xl_sum.v[u], hn::Mul(wl, x));
      }
    }
    sum_l = l_sum;
    sum_l2 = l2_sum;
    sum_xl = xl_sum;
  }

  alignas(64) float trial_[R::kElements * kU * HWY_MAX_BYTES / sizeof(float)];
  MinTile<R>* tile_;
  size_t at_;
  const float *xs_, *ws_;
  Vs<kU> low_, high_, smallest_, sum_w_, sum_x_;
  Vs<kU> best_, scale_, best_inverse_, best_low_, bad_;
  Vs<kU> inverse_, slope_, offset_, handicap_;  // of the grid point that is tried
};

// All sub-blocks of a tile, kSearches times kU vectors at a time.
template <class R, size_t kU, size_t kSearches>
HWY_INLINE void fit_min(MinTile<R>& tile, size_t at, const reference::Grid& grid) {
  MinSearch<R, kU> searches[kSearches];
  for (size_t s = 0; s < kSearches; ++s) searches[s].start(tile, at + s * kU * hn::Lanes(D()));
  for (size_t step = 0; step <= R::kSteps; ++step) {
    const float numerator =
        grid.start + grid.step * static_cast<float>(step) + static_cast<float>(R::kMaxCode);
    for (MinSearch<R, kU>& search : searches) search.try_codes(numerator);
    for (MinSearch<R, kU>& search : searches) search.take_if_better();
  }
  for (const MinSearch<R, kU>& search : searches) search.finish();
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
