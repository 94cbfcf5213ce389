#include "kernels/block_fit.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>

#include "kernels/block_scales.h"

namespace stkit::kernels::reference {
namespace {

constexpr size_t kMaxElements = 32;
constexpr int kGreedySweeps = 5;

// A signed code times x, and squared, both weighted: what the best scale A / B is made of.
struct Moments {
  float a = 0;
  float b = 0;
};

int signed_code(float inverse, float value, int levels) {
  return std::clamp(round_to_int(inverse * value), -levels, levels - 1);
}

uint8_t code_of(float value, int max_code) {
  return static_cast<uint8_t>(std::clamp(round_to_int(value), 0, max_code));
}

}  // namespace

int truncate_to_int(float value) {
  return value >= -0x1p31f && value < 0x1p31f ? static_cast<int>(value)
                                              : std::numeric_limits<int>::min();
}

float fit_symmetric(int levels, std::span<const float> x, std::span<const float> weights,
                    std::span<uint8_t> codes) {
  const float extreme = extreme_of(x);
  if (std::fabs(extreme) < kTiny) {
    std::ranges::fill(codes, uint8_t{0});
    return 0;
  }
  const auto weight = [&](size_t i) { return weights.empty() ? x[i] * x[i] : weights[i]; };
  const auto moments = [&](float inverse) {
    Moments sums;
    for (size_t i = 0; i < x.size(); ++i) {
      const auto l = static_cast<float>(signed_code(inverse, x[i], levels));
      sums.a += weight(i) * x[i] * l;
      sums.b += weight(i) * l * l;
    }
    return sums;
  };
  const auto store = [&](float inverse) {
    for (size_t i = 0; i < x.size(); ++i)
      codes[i] = static_cast<uint8_t>(signed_code(inverse, x[i], levels) + levels);
  };

  const auto full = static_cast<float>(levels);
  const float first = -full / extreme;
  store(first);
  const Moments start = moments(first);
  float scale = start.b != 0 ? start.a / start.b : 0;
  float best = scale * start.a;
  for (int step = -9; step <= 9; ++step) {
    if (step == 0) continue;
    const float inverse = -(full + 0.1f * static_cast<float>(step)) / extreme;
    const Moments sums = moments(inverse);
    if (sums.b > 0 && sums.a * sums.a > best * sums.b) {
      store(inverse);
      scale = sums.a / sums.b;
      best = scale * sums.a;
    }
  }
  return scale;
}

float fit_symmetric_greedy(int levels, std::span<const float> x, std::span<uint8_t> codes) {
  const float extreme = extreme_of(x);
  if (std::fabs(extreme) < kTiny) {
    std::ranges::fill(codes, uint8_t{0});
    return 0;
  }
  const float inverse = -static_cast<float>(levels) / extreme;
  std::array<int, kMaxElements> chosen;
  Moments sums;
  for (size_t i = 0; i < x.size(); ++i) {
    chosen[i] = signed_code(inverse, x[i], levels);
    const float w = x[i] * x[i];
    const auto l = static_cast<float>(chosen[i]);
    sums.a += w * x[i] * l;
    sums.b += w * l * l;
  }
  for (int sweep = 0; sweep < kGreedySweeps; ++sweep) {
    bool changed = false;
    for (size_t i = 0; i < x.size(); ++i) {
      const float w = x[i] * x[i];
      const auto l = static_cast<float>(chosen[i]);
      Moments without{sums.a - w * x[i] * l, sums.b - w * l * l};
      if (!(without.a > 0)) continue;
      const int other = std::clamp(round_to_int(x[i] * without.b / without.a), -levels, levels - 1);
      if (other == chosen[i]) continue;
      const auto o = static_cast<float>(other);
      without.a += w * x[i] * o;
      without.b += w * o * o;
      if (without.b > 0 && without.a * without.a * sums.b > sums.a * sums.a * without.b) {
        chosen[i] = other;
        sums = without;
        changed = true;
      }
    }
    if (!changed) break;
  }
  for (size_t i = 0; i < x.size(); ++i) codes[i] = static_cast<uint8_t>(chosen[i] + levels);
  return sums.b > 0 ? sums.a / sums.b : 0;
}

ScaleAndMin fit_with_min(int max_code, std::span<const float> x, std::span<const float> weights,
                         const Grid& grid, std::span<uint8_t> codes) {
  float low = x[0], high = x[0];
  float sum_w = weights[0], sum_x = sum_w * x[0];
  for (size_t i = 1; i < x.size(); ++i) {
    low = x[i] < low ? x[i] : low;
    high = x[i] > high ? x[i] : high;
    sum_w += weights[i];
    sum_x += weights[i] * x[i];
  }
  if (low > 0) low = 0;
  if (high <= low) {
    std::ranges::fill(codes, uint8_t{0});
    return {0, -low};
  }
  const auto error_of = [&](float scale, float offset, std::span<const uint8_t> trial) {
    float error = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      const float difference = scale * static_cast<float>(trial[i]) + offset - x[i];
      error += weights[i] * (grid.absolute_error ? std::fabs(difference) : difference * difference);
    }
    return error;
  };

  const auto full = static_cast<float>(max_code);
  const float first = full / (high - low);
  float scale = 1 / first;
  for (size_t i = 0; i < x.size(); ++i) codes[i] = code_of(first * (x[i] - low), max_code);
  float best = error_of(scale, low, codes);

  std::array<uint8_t, kMaxElements> trial;
  for (int step = 0; step <= grid.steps; ++step) {
    // `low` is the minimum of the best fit so far: each improvement moves the grid.
    const float inverse = (grid.start + grid.step * static_cast<float>(step) + full) / (high - low);
    float sum_l = 0, sum_l2 = 0, sum_xl = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      trial[i] = code_of(inverse * (x[i] - low), max_code);
      const auto l = static_cast<float>(trial[i]);
      sum_l += weights[i] * l;
      sum_l2 += weights[i] * l * l;
      sum_xl += weights[i] * l * x[i];
    }
    const float determinant = sum_w * sum_l2 - sum_l * sum_l;
    if (!(determinant > 0)) continue;
    float slope = (sum_w * sum_xl - sum_x * sum_l) / determinant;
    float offset = (sum_l2 * sum_x - sum_l * sum_xl) / determinant;
    if (offset > 0) {
      offset = 0;
      slope = sum_xl / sum_l2;
    }
    const float error = error_of(slope, offset, std::span(trial).first(x.size()));
    if (error < best) {
      std::copy_n(trial.begin(), x.size(), codes.begin());
      best = error;
      scale = slope;
      low = offset;
    }
  }
  return {scale, -low};
}

float fit_positive(int max_code, std::span<const float> x, std::span<const float> weights,
                   std::span<uint8_t> codes) {
  float high = 0;
  for (const float value : x) high = value > high ? value : high;
  if (high < kTiny) {
    std::ranges::fill(codes, uint8_t{0});
    return 0;
  }
  const auto full = static_cast<float>(max_code);
  const auto error_of = [&](float inverse, bool limited) {
    const float scale = 1 / inverse;
    float error = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      int l = round_to_int(inverse * x[i]);
      if (limited) l = std::min(l, max_code);
      const float difference = x[i] - scale * static_cast<float>(l);
      error += weights[i] * difference * difference;
    }
    return error;
  };
  float inverse = full / high;
  float best = error_of(inverse, false);
  for (int step = -4; step <= 4; ++step) {
    if (step == 0) continue;
    const float trial = (0.1f * static_cast<float>(step) + full) / high;
    if (const float error = error_of(trial, true); error < best) {
      best = error;
      inverse = trial;
    }
  }

  std::array<int, kMaxElements> chosen;
  Moments sums;
  for (size_t i = 0; i < x.size(); ++i) {
    chosen[i] = std::min(round_to_int(inverse * x[i]), max_code);
    const auto l = static_cast<float>(chosen[i]);
    sums.a += weights[i] * x[i] * l;
    sums.b += weights[i] * l * l;
  }
  for (int sweep = 0; sweep < kGreedySweeps; ++sweep) {
    bool changed = false;
    for (size_t i = 0; i < x.size(); ++i) {
      const auto l = static_cast<float>(chosen[i]);
      Moments without{sums.a - weights[i] * x[i] * l, sums.b - weights[i] * l * l};
      if (!(without.a > 0 && without.b > 0)) continue;
      const int other = std::min(round_to_int(x[i] * without.b / without.a), max_code);
      if (other == chosen[i]) continue;
      const auto o = static_cast<float>(other);
      without.a += weights[i] * x[i] * o;
      without.b += weights[i] * o * o;
      if (without.a * without.a * sums.b > sums.a * sums.a * without.b) {
        chosen[i] = other;
        sums = without;
        changed = true;
      }
    }
    if (!changed) break;
  }
  for (size_t i = 0; i < x.size(); ++i) codes[i] = static_cast<uint8_t>(chosen[i]);
  return sums.b > 0 ? sums.a / sums.b : 0;
}

}  // namespace stkit::kernels::reference
