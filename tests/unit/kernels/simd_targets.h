// Runs a test once for each SIMD target that is compiled in and that this CPU has.
#pragma once

#include <hwy/targets.h>

#include <cstdint>
#include <string>
#include <vector>

namespace stkit::test {

// While it lives, the kernels use this one target.
class UseTarget {
 public:
  explicit UseTarget(int64_t target) { select(target); }
  UseTarget(const UseTarget&) = delete;
  UseTarget& operator=(const UseTarget&) = delete;
  ~UseTarget() { select(0); }

 private:
  static void select(int64_t target) {
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  }
};

inline std::vector<int64_t> simd_targets() { return hwy::SupportedAndGeneratedTargets(); }

}  // namespace stkit::test
