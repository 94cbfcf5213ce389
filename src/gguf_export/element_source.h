// Where the elements of an output tensor come from: data that says it, and nothing that does it.
//
// One shape covers every rearrangement that exporting needs: a box of elements of one input tensor,
// walked along up to four axes, each with a stride. A row range, an expert of a stack, the halves
// of a fused matrix, a transpose, heads whose rotary halves are interleaved: all are boxes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <vector>

#include "stkit/tensor.h"

namespace stkit::gguf_export {

struct Axis {
  uint64_t count = 1;
  uint64_t stride = 1;  // in elements of the input
};

// What elements of an 8-bit float are to be multiplied by: one scale for each block of
// `block_rows` x `block_columns` of the input seen as rows of its last dimension.
struct BlockScale {
  uint32_t tensor =
      0;  // index into Model::tensors(); rows of `columns / block_columns`, rounded up
  uint64_t columns = 1;  // of the input
  uint64_t block_rows = 1;
  uint64_t block_columns = 1;
};

struct Box {
  static constexpr size_t kMaxAxes = 4;

  uint32_t tensor = 0;  // index into Model::tensors()
  uint64_t first_element = 0;
  std::array<Axis, kMaxAxes> axes = {};  // outermost first; the unused ones have a count of 1
  std::optional<BlockScale> scale = {};

  uint64_t element_count() const {
    uint64_t count = 1;
    for (const Axis& axis : axes) count *= axis.count;
    return count;
  }
};

// `count` elements from `first` on, in their order.
Box run_of(uint32_t tensor, uint64_t first, uint64_t count);
// REQUIRES: at most kMaxAxes axes.
Box box_of(uint32_t tensor, uint64_t first, std::initializer_list<Axis> axes);

// Matrices of blocks of 4-bit floats, which are kept as they are (packed_rows.h).
struct PackedRows {
  uint32_t blocks = 0, scales = 0;  // indices into Model::tensors()
  uint64_t matrices = 0, rows = 0;  // rows of each matrix
  uint64_t row_blocks = 0;
  uint64_t first_row = 0, row_step = 1;  // in the input
};

struct ElementSource {
  std::vector<Box> boxes = {};            // one behind the other
  std::optional<PackedRows> packed = {};  // in place of boxes
  std::vector<float> constants = {};      // generated elements, where there are no boxes
  float shift = 0;                        // added to every element

  uint64_t element_count() const;
};

}  // namespace stkit::gguf_export
