#include "bench/memory_read.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "bench/memory_read.cc"
#include <hwy/foreach_target.h>
// Highway wants to come after foreach_target.
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace stkit::bench::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// REQUIRES: aligned to a vector; the rest behind the last four vectors is left out.
uint64_t SumWords(const uint64_t* words, size_t count) {
  const hn::ScalableTag<uint64_t> d;
  const size_t lanes = hn::Lanes(d);
  auto a = hn::Zero(d), b = a, c = a, e = a;
  for (size_t i = 0; i + 4 * lanes <= count; i += 4 * lanes) {
    a = hn::Add(a, hn::LoadU(d, words + i));
    b = hn::Add(b, hn::LoadU(d, words + i + lanes));
    c = hn::Add(c, hn::LoadU(d, words + i + 2 * lanes));
    e = hn::Add(e, hn::LoadU(d, words + i + 3 * lanes));
  }
  return hn::GetLane(hn::SumOfLanes(d, hn::Add(hn::Add(a, b), hn::Add(c, e))));
}

}  // namespace stkit::bench::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace stkit::bench {

HWY_EXPORT(SumWords);

uint64_t read_memory(std::span<const std::byte> bytes) {
  return HWY_DYNAMIC_DISPATCH(SumWords)(reinterpret_cast<const uint64_t*>(bytes.data()),
                                        bytes.size() / sizeof(uint64_t));
}

}  // namespace stkit::bench
#endif
