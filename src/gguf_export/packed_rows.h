// Rows of 4-bit floats that were published as such (MXFP4), in the form that GGUF has for them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "gguf_export/element_source.h"
#include "stkit/error.h"
#include "stkit/model.h"

namespace stkit::gguf_export {

inline constexpr uint64_t kPackedBlockElements = 32;

// Of the tensors `blocks` and `scales`, indices into Model::tensors(): every `row_step`-th row from
// `first_row` on. Corrupt when their shapes do not go together.
Result<PackedRows> packed_rows_of(const Model& model, uint32_t blocks, uint32_t scales,
                                  uint64_t first_row, uint64_t row_step);

// Blocks from `first_block` on, as many as fill `out`; nothing is lost or changed by it.
// REQUIRES: they are there; out is whole blocks of MXFP4.
Result<void> read_packed(const Model& model, const PackedRows& rows, uint64_t first_block,
                         std::span<std::byte> out);

}  // namespace stkit::gguf_export
