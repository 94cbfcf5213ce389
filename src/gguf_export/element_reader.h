// Reads the elements of an ElementSource, in memory that does not grow with any tensor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/function_ref.h"
#include "gguf_export/element_source.h"
#include "stkit/error.h"
#include "stkit/model.h"

namespace stkit::gguf_export {

// The dtype that all elements are stored in; nothing when they are computed (a shift, scales,
// constants) or differ.
std::optional<DType> stored_dtype(const Model& model, const ElementSource& source);

// Thread-safe. The model must outlive it. Scales of 8-bit floats are kept in memory: one float for
// each block of them.
class ElementReader {
 public:
  // REQUIRES: boxes lie inside their tensors, whose elements are no blocks and no smaller than a
  // byte.
  static Result<ElementReader> open(const Model& model, ElementSource source);

  uint64_t element_count() const { return ends_.empty() ? 0 : ends_.back(); }

  std::optional<DType> stored_dtype() const { return stored_; }
  // The bytes of one file that are all elements in their order, if they are that.
  std::optional<ByteRun> run() const;

  // Elements [first, first + count) as numbers. A transposed source is read a few elements at a
  // time when asked for less than a row; ask for many rows.
  // REQUIRES: they are inside the source; out.size() == count.
  Result<void> read(uint64_t first, uint64_t count, std::span<float> out) const;

  // The same as stored. REQUIRES: stored_dtype().
  Result<void> read_stored(uint64_t first, uint64_t count, std::span<std::byte> out) const;

 private:
  // Elements that lie `input_step` apart in an input, and `output_step` in what was asked for.
  struct Run {
    const Box& box;
    uint64_t input_first;
    uint64_t input_step;
    uint64_t count;
    uint64_t output_first;  // from the start of what was asked for
    uint64_t output_step;
  };
  using UseRun = FunctionRef<Result<void>(const Run&)>;

  ElementReader(const Model& model, ElementSource source)
      : model_(&model), source_(std::move(source)) {}

  Result<void> load_scales();
  Result<void> for_each_run(uint64_t first, uint64_t count, UseRun use) const;
  Result<void> for_each_run_of(const Box& box, uint64_t first, uint64_t count,
                               uint64_t output_first, UseRun use) const;
  Result<void> read_run(const Run& run, std::span<float> out) const;
  Result<void> read_run_stored(const Run& run, std::span<std::byte> out) const;
  // The elements of a run, as many as fit into `bytes`, from `done` on; packed. How many.
  Result<size_t> read_piece(const Run& run, uint64_t done, std::span<std::byte> bytes) const;
  void scale(const Run& run, uint64_t done, std::span<float> values) const;

  const Model* model_;
  ElementSource source_;                    // axes merged where they are one
  std::vector<uint64_t> ends_;              // of each box, or of the constants, in elements
  std::vector<std::vector<float>> scales_;  // of each box; empty without
  std::optional<DType> stored_;
};

}  // namespace stkit::gguf_export
