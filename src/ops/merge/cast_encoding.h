#pragma once

#include <atomic>
#include <cstdint>

#include "kernels/cast.h"
#include "pipeline/recipe.h"

namespace stkit {

// The elements of a tensor in another float dtype.
class CastEncoding final : public Encoding {
 public:
  // REQUIRES: kernels::can_cast(from, to).
  CastEncoding(DType from, DType to, kernels::BeyondRange beyond)
      : from_(from), to_(to), beyond_(beyond) {}

  uint64_t unit_elements() const override { return 1; }

  Result<void> encode(uint64_t, std::span<const std::byte> in, std::span<std::byte> out) override {
    beyond_count_ += kernels::cast(from_, to_, in, out, beyond_);
    return {};
  }

  // Once more, without counting.
  void repeat(std::span<const std::byte> in, std::span<std::byte> out) const {
    kernels::cast(from_, to_, in, out, beyond_);
  }

  // Values that were beyond the range of the new dtype since the last reset.
  uint64_t beyond_count() const { return beyond_count_; }
  void reset_count() { beyond_count_ = 0; }

 private:
  const DType from_, to_;
  const kernels::BeyondRange beyond_;
  std::atomic<uint64_t> beyond_count_ = 0;
};

}  // namespace stkit
