#include "kernels/simd_info.h"

#include <hwy/targets.h>

namespace stkit::kernels {
namespace {

// Of Highway's targets, a lower bit is a better one.
int64_t best_of(int64_t targets) { return targets & -targets; }

}  // namespace

std::vector<std::string> compiled_simd_targets() {
  std::vector<std::string> names;
  for (int64_t rest = HWY_TARGETS; rest != 0; rest &= rest - 1)
    names.emplace_back(hwy::TargetName(best_of(rest)));
  return names;
}

std::string used_simd_target() {
  return hwy::TargetName(best_of(hwy::SupportedTargets() & HWY_TARGETS));
}

}  // namespace stkit::kernels
