// Encodings of weights for the pipeline.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>

#include "kernels/error_sums.h"
#include "pipeline/recipe.h"
#include "quant/error_metrics.h"
#include "stkit/quantize.h"

namespace stkit {

struct WeightEncodingOptions {
  std::span<const float> importance = {};  // by column, one matrix after the other; or empty
  NonFinite on_non_finite = NonFinite::Error;
  bool measure = false;
};

// Floating elements as another floating type or as blocks. Tiles of the input are widened,
// looked through for NaN and infinities, encoded, and read back while they are in the L1 cache.
class WeightEncoding final : public Encoding {
 public:
  // What `source` has a view of must outlive it; where its elements are does not matter.
  WeightEncoding(const TensorInfo& source, DType to, const WeightEncodingOptions& options);

  uint64_t unit_elements() const override { return unit_elements_; }
  Result<void> encode(uint64_t first_element, std::span<const std::byte> in,
                      std::span<std::byte> out) override;

  // REQUIRES: all elements were encoded.
  const kernels::ErrorSums& errors() const { return errors_.total(); }
  uint64_t non_finite() const { return non_finite_.load(); }

 private:
  struct Tile {
    uint64_t first_element;
    std::span<const std::byte> in;
    std::span<std::byte> out;
    std::span<float> values;
    float largest = 0;            // magnitude
    bool was_changed = false;     // values that were not finite are zeros now
    bool has_non_finite = false;  // and keeps it
  };

  size_t tile_elements(uint64_t first_element, uint64_t left) const;
  Result<void> encode_tile(Tile& tile, kernels::ErrorSums& errors);
  Result<void> treat_non_finite(Tile& tile);
  void write_values(const Tile& tile) const;
  std::span<const float> importance_of(const Tile& tile) const;
  Result<void> check_range(const Tile& tile) const;
  void measure(const Tile& tile, kernels::ErrorSums& errors) const;
  Error describe(const Tile& tile, size_t index, ErrorCode code, std::string_view what) const;

  const TensorInfo source_;
  const DType to_;
  const WeightEncodingOptions options_;
  uint64_t columns_;
  uint64_t rows_;  // of a matrix
  uint64_t unit_elements_;
  quant::OrderedErrorSums errors_;
  std::atomic<uint64_t> non_finite_{0};
};

// Integers that GGUF has no type for, in the next larger that it has. REQUIRES: see gguf_type_for.
std::unique_ptr<Encoding> make_integer_widening(DType from, DType to);

}  // namespace stkit
