// The inputs of the golden digests, regenerated.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "kernels/half.h"

namespace stkit::test {

class SplitMix64 {
 public:
  explicit SplitMix64(uint64_t seed) : state_(seed) {}
  uint64_t next() {
    uint64_t z = state_ += 0x9E3779B97F4A7C15;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
    z = (z ^ z >> 27) * 0x94D049BB133111EB;
    return z ^ z >> 31;
  }
  double uniform() { return static_cast<double>(next() >> 40) * 0x1p-24; }
  double gaussian() {
    double sum = 0;
    for (int i = 0; i < 12; ++i) sum += uniform();
    return sum - 6;
  }

 private:
  uint64_t state_;
};

struct QuantInput {
  size_t columns = 0;
  std::vector<float> values;      // row-major
  std::vector<float> importance;  // one a column
};

// 64 x 4096: 'g' Gaussian, 'o' with outliers, 'u' uniform, 'b' rounded to bf16, 'z' zeros,
// constants, single values and subnormals.
inline QuantInput golden_input(char distribution) {
  QuantInput input{4096, std::vector<float>(64 * 4096), std::vector<float>(4096)};
  SplitMix64 random(42);
  for (size_t i = 0; i < input.values.size(); ++i) {
    float& x = input.values[i];
    switch (distribution) {
      case 'u': x = static_cast<float>((random.uniform() - 0.5) * 2.0); break;
      case 'z': {
        const size_t k = i / 256, e = i % 256;
        const float kinds[] = {0, 0.5f, e == 7 ? -3.0f : 0.0f,
                               static_cast<float>(static_cast<double>(e % 5) * 1e-41)};
        x = kinds[k % 4];
        break;
      }
      default:
        x = static_cast<float>(random.gaussian() * 0.02);
        if (distribution == 'o' && i % 97 == 13) x *= 40.0f;
        if (distribution == 'b') x = kernels::from_bf16(kernels::to_bf16(x));
    }
  }
  SplitMix64 weights(1042);
  for (float& w : input.importance) w = static_cast<float>(0.5 + weights.uniform());
  return input;
}

// 16 x 512 with a different oddity in each row.
inline QuantInput small_golden_input() {
  QuantInput input{512, std::vector<float>(16 * 512), std::vector<float>(512)};
  SplitMix64 random(1);
  for (size_t i = 0; i < input.values.size(); ++i) {
    const size_t row = i / 512, column = i % 512;
    int64_t sum = -(int64_t{1} << 23);
    for (int k = 0; k < 4; ++k) sum += static_cast<int64_t>(random.next() >> 42);
    float x = static_cast<float>(sum) * 0x1p-27f;
    switch (row) {
      case 1: x = x < 0 ? -x : x; break;
      case 2: x = x < 0 ? x : -x; break;
      case 3: x *= column % 37 == 0 ? 32.0f : 1.0f; break;
      case 4: x = 0; break;
      case 5: x = 0.03125f; break;
      case 6: x = column < 256 ? 0 : x; break;
      case 7: x *= 0x1p-30f; break;
      default: break;
    }
    // Not a case of the switch: g++ 12.2 drops a masking of a float's bits that is conditional.
    const uint32_t mask = row == 8 ? 0xFFFF0000 : 0xFFFFFFFF;
    input.values[i] = std::bit_cast<float>(std::bit_cast<uint32_t>(x) & mask);
  }
  SplitMix64 weights(2);
  for (float& w : input.importance) w = 1 + static_cast<float>(weights.next() >> 42) * 0x1p-18f;
  return input;
}

}  // namespace stkit::test
