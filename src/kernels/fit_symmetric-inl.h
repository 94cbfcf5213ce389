// The searches of reference::fit_symmetric and fit_symmetric_greedy, one sub-block a lane.

#if defined(STKIT_KERNELS_FIT_SYMMETRIC_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef STKIT_KERNELS_FIT_SYMMETRIC_INL_H_
#undef STKIT_KERNELS_FIT_SYMMETRIC_INL_H_
#else
#define STKIT_KERNELS_FIT_SYMMETRIC_INL_H_
#endif

#include "kernels/block_fit.h"
#include "kernels/encode_tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace stkit::kernels::HWY_NAMESPACE {
namespace {

template <size_t kElementsValue>
struct alignas(64) SymmetricTile {
  static constexpr size_t kElements = kElementsValue;
  static constexpr size_t kLanes = kBatchElements / kElements;

  float x[kBatchElements];
  float weights[kBatchElements];
  float weighted[kBatchElements];  // weights * x
  float scale[kLanes];
  // Of the best fit: its codes are round(x * best_inverse), or all zero where this is 0.
  float best_inverse[kLanes];
  float odd[kLanes];  // not zero: the reference must do this sub-block
};

// The first value of the largest magnitude of each sub-block; marks what is not finite as odd.
template <class Tile, size_t kU>
HWY_INLINE Vs<kU> extremes(Tile& tile, size_t at) {
  const D d;
  const size_t n = hn::Lanes(d);
  Vs<kU> magnitude, extreme, total;
  for (size_t u = 0; u < kU; ++u) magnitude.v[u] = extreme.v[u] = total.v[u] = hn::Zero(d);
  for (size_t i = 0; i < Tile::kElements; ++i) {
    for (size_t u = 0; u < kU; ++u) {
      const V x = hn::Load(d, tile.x + i * Tile::kLanes + at + u * n);
      const V size = hn::Abs(x);
      const auto larger = hn::Gt(size, magnitude.v[u]);
      magnitude.v[u] = hn::IfThenElse(larger, size, magnitude.v[u]);
      extreme.v[u] = hn::IfThenElse(larger, x, extreme.v[u]);
      total.v[u] = hn::Add(total.v[u], size);
    }
  }
  for (size_t u = 0; u < kU; ++u) {
    const auto finite = hn::Lt(total.v[u], hn::Set(d, HUGE_VALF));
    hn::Store(hn::IfThenElse(finite, hn::Zero(d), hn::Set(d, 1.0f)), d, tile.odd + at + u * n);
  }
  return extreme;
}

HWY_INLINE auto is_tiny(V extreme) {
  return hn::Lt(hn::Abs(extreme), hn::Set(D(), reference::kTiny));
}

// Tries one inverse scale on all elements: a = sum w x l, b = sum w l l.
template <int kLevels, bool kClampLow, bool kClampHigh, class Tile, size_t kU>
HWY_INLINE void moments(const Tile& tile, size_t at, const Vs<kU>& inverse, Vs<kU>& a, Vs<kU>& b) {
  const D d;
  const size_t n = hn::Lanes(d);
  const V lowest = hn::Set(d, static_cast<float>(-kLevels));
  const V highest = hn::Set(d, static_cast<float>(kLevels - 1));
  for (size_t u = 0; u < kU; ++u) a.v[u] = b.v[u] = hn::Zero(d);
  for (size_t i = 0; i < Tile::kElements; ++i) {
    for (size_t u = 0; u < kU; ++u) {
      const size_t place = i * Tile::kLanes + at + u * n;
      V l = round_near(hn::Mul(inverse.v[u], hn::Load(d, tile.x + place)));
      if constexpr (kClampLow) l = hn::Max(l, lowest);
      if constexpr (kClampHigh) l = hn::Min(l, highest);
      a.v[u] = hn::Add(a.v[u], hn::Mul(hn::Load(d, tile.weighted + place), l));
      b.v[u] = hn::Add(b.v[u], hn::Mul(hn::Mul(hn::Load(d, tile.weights + place), l), l));
    }
  }
}

template <int kLevels, class Tile, size_t kU>
HWY_INLINE void fit_symmetric(Tile& tile, size_t at) {
  const D d;
  const size_t n = hn::Lanes(d);
  constexpr auto kFull = static_cast<float>(kLevels);
  const Vs<kU> extreme = extremes<Tile, kU>(tile, at);
  const V zero = hn::Zero(d);

  Vs<kU> inverse, a, b, scale, best, best_inverse;
  for (size_t u = 0; u < kU; ++u) inverse.v[u] = hn::Div(hn::Set(d, -kFull), extreme.v[u]);
  moments<kLevels, false, true>(tile, at, inverse, a, b);
  for (size_t u = 0; u < kU; ++u) {
    scale.v[u] = hn::IfThenElse(hn::Eq(b.v[u], zero), zero, hn::Div(a.v[u], b.v[u]));
    best.v[u] = hn::Mul(scale.v[u], a.v[u]);
    best_inverse.v[u] = inverse.v[u];
  }
  for (int step = -9; step <= 9; ++step) {
    if (step == 0) continue;
    const float reach = kFull + 0.1f * static_cast<float>(step);
    for (size_t u = 0; u < kU; ++u) inverse.v[u] = hn::Div(hn::Set(d, -reach), extreme.v[u]);
    // |x * inverse| <= reach (1 + 2^-22), which decides which end can be passed at all.
    if (reach < kFull - 0.51f)
      moments<kLevels, false, false>(tile, at, inverse, a, b);
    else if (reach < kFull + 0.49f)
      moments<kLevels, false, true>(tile, at, inverse, a, b);
    else
      moments<kLevels, true, true>(tile, at, inverse, a, b);
    for (size_t u = 0; u < kU; ++u) {
      const auto better = hn::And(hn::Gt(b.v[u], zero),
                                  hn::Gt(hn::Mul(a.v[u], a.v[u]), hn::Mul(best.v[u], b.v[u])));
      const V trial = hn::Div(a.v[u], b.v[u]);
      scale.v[u] = hn::IfThenElse(better, trial, scale.v[u]);
      best.v[u] = hn::IfThenElse(better, hn::Mul(trial, a.v[u]), best.v[u]);
      best_inverse.v[u] = hn::IfThenElse(better, inverse.v[u], best_inverse.v[u]);
    }
  }
  for (size_t u = 0; u < kU; ++u) {
    const auto tiny = is_tiny(extreme.v[u]);
    hn::Store(hn::IfThenElse(tiny, zero, scale.v[u]), d, tile.scale + at + u * n);
    hn::Store(hn::IfThenElse(tiny, zero, best_inverse.v[u]), d, tile.best_inverse + at + u * n);
  }
}

// Codes of the best fit of fit_symmetric, 0 to 2 * kLevels - 1.
template <int kLevels, class Tile>
HWY_INLINE void fitted_codes(const Tile& tile, size_t lane, const float* x, uint8_t* out) {
  const float inverse = tile.best_inverse[lane];
  for (size_t i = 0; i < Tile::kElements; ++i) {
    const int l = std::clamp(reference::round_to_int(inverse * x[i]), -kLevels, kLevels - 1);
    out[i] = inverse == 0 ? uint8_t{0} : static_cast<uint8_t>(l + kLevels);
  }
}

// The greedy search; the codes it ends with, plus kLevels, replace the values of tile.weights,
// which it does not need (its weights are x * x).
template <int kLevels, class Tile, size_t kU>
HWY_INLINE void fit_symmetric_greedy(Tile& tile, size_t at) {
  const D d;
  const size_t n = hn::Lanes(d);
  constexpr auto kFull = static_cast<float>(kLevels);
  constexpr int kSweeps = 5;
  const V zero = hn::Zero(d);
  const Vs<kU> extreme = extremes<Tile, kU>(tile, at);
  float* const codes = tile.weights + at;

  Vs<kU> a, b;
  for (size_t u = 0; u < kU; ++u) a.v[u] = b.v[u] = zero;
  for (size_t i = 0; i < Tile::kElements; ++i) {
    for (size_t u = 0; u < kU; ++u) {
      const size_t place = i * Tile::kLanes + u * n;
      const V x = hn::Load(d, tile.x + at + place);
      const V inverse = hn::Div(hn::Set(d, -kFull), extreme.v[u]);
      const V l = hn::Min(round_near(hn::Mul(inverse, x)), hn::Set(d, kFull - 1));
      const V w = hn::Mul(x, x);
      a.v[u] = hn::Add(a.v[u], hn::Mul(hn::Mul(w, x), l));
      b.v[u] = hn::Add(b.v[u], hn::Mul(hn::Mul(w, l), l));
      hn::Store(l, d, codes + place);
    }
  }
  for (int sweep = 0; sweep < kSweeps; ++sweep) {
    // A lane without a change computes the same again, so all may go on until none changes.
    bool changed = false;
    for (size_t i = 0; i < Tile::kElements; ++i) {
      for (size_t u = 0; u < kU; ++u) {
        const size_t place = i * Tile::kLanes + u * n;
        const V x = hn::Load(d, tile.x + at + place);
        const V l = hn::Load(d, codes + place);
        const V w = hn::Mul(x, x), wx = hn::Mul(w, x);
        V p = hn::Sub(a.v[u], hn::Mul(wx, l));
        V q = hn::Sub(b.v[u], hn::Mul(hn::Mul(w, l), l));
        const auto usable = hn::Gt(p, zero);
        const V best = hn::Div(hn::Mul(x, q), p);
        const V other = hn::ConvertTo(d, clamp(round_to_int(best), -kLevels, kLevels - 1));
        p = hn::Add(p, hn::Mul(wx, other));
        q = hn::Add(q, hn::Mul(hn::Mul(w, other), other));
        const auto better =
            hn::Gt(hn::Mul(hn::Mul(p, p), b.v[u]), hn::Mul(hn::Mul(a.v[u], a.v[u]), q));
        const auto take =
            hn::And(hn::And(usable, hn::Ne(other, l)), hn::And(hn::Gt(q, zero), better));
        if (hn::AllFalse(d, take)) continue;
        changed = true;
        a.v[u] = hn::IfThenElse(take, p, a.v[u]);
        b.v[u] = hn::IfThenElse(take, q, b.v[u]);
        hn::Store(hn::IfThenElse(take, other, l), d, codes + place);
      }
    }
    if (!changed) break;
  }
  for (size_t u = 0; u < kU; ++u) {
    const auto tiny = is_tiny(extreme.v[u]);
    const auto positive = hn::Gt(b.v[u], zero);
    const V scale = hn::IfThenElse(positive, hn::Div(a.v[u], b.v[u]), zero);
    hn::Store(hn::IfThenElse(tiny, zero, scale), d, tile.scale + at + u * n);
    for (size_t i = 0; i < Tile::kElements; ++i) {
      float* const code = codes + i * Tile::kLanes + u * n;
      const V shifted = hn::Add(hn::Load(d, code), hn::Set(d, kFull));
      hn::Store(hn::IfThenElse(tiny, zero, shifted), d, code);
    }
  }
}

}  // namespace
}  // namespace stkit::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // STKIT_KERNELS_FIT_SYMMETRIC_INL_H_
