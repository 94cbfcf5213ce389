#include "gguf_export/packed_rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/check.h"
#include "formats/finding_log.h"

namespace stkit::gguf_export {
namespace {

constexpr size_t kNibbleBytes = kPackedBlockElements / 2;
constexpr size_t kBlockBytes = 1 + kNibbleBytes;
// Read of an input at a time, on the stack.
constexpr size_t kPieceBlocks = 512;

// As published, a byte is two neighbours: e0 e1, e2 e3, ...
// In GGUF it is two that are half a block apart: e0 e16, e1 e17, ...; the scale is in front.
void repack(std::span<const std::byte, kNibbleBytes> in, std::byte scale,
            std::span<std::byte, kBlockBytes> out) {
  const auto element = [&](size_t i) {
    return i % 2 == 0 ? in[i / 2] & std::byte{0x0F} : in[i / 2] >> 4;
  };
  out[0] = scale;
  for (size_t i = 0; i < kNibbleBytes; ++i)
    out[1 + i] = element(i) | (element(i + kNibbleBytes) << 4);
}

}  // namespace

Result<PackedRows> packed_rows_of(const Model& model, uint32_t blocks, uint32_t scales,
                                  uint64_t first_row, uint64_t row_step) {
  const TensorInfo& values = model.tensors()[blocks];
  const TensorInfo& factors = model.tensors()[scales];
  const bool fits = values.dtype == DType::U8 && factors.dtype == DType::U8 &&
                    values.shape.size() == 4 && values.shape.back() == kNibbleBytes &&
                    std::ranges::equal(values.shape.first(3), factors.shape);
  if (!fits || values.shape[1] % row_step != 0)
    return fail(ErrorCode::Corrupt,
                fmt::format("tensors {} and {} are not blocks of 4-bit floats and their scales",
                            quoted_name(values.name), quoted_name(factors.name)));
  return PackedRows{.blocks = blocks,
                    .scales = scales,
                    .matrices = values.shape[0],
                    .rows = values.shape[1] / row_step,
                    .row_blocks = values.shape[2],
                    .first_row = first_row,
                    .row_step = row_step};
}

Result<void> read_packed(const Model& model, const PackedRows& rows, uint64_t first_block,
                         std::span<std::byte> out) {
  STKIT_CHECK(out.size() % kBlockBytes == 0);
  std::array<std::byte, kPieceBlocks * kNibbleBytes> values;
  std::array<std::byte, kPieceBlocks> scales;
  const uint64_t count = out.size() / kBlockBytes;
  for (uint64_t done = 0; done < count;) {
    const uint64_t row = (first_block + done) / rows.row_blocks;
    const uint64_t column = (first_block + done) % rows.row_blocks;
    const auto part = static_cast<size_t>(
        std::min({count - done, rows.row_blocks - column, uint64_t{kPieceBlocks}}));
    // Rows of the input count through all matrices, as those of the output do.
    const uint64_t input = (rows.first_row + row * rows.row_step) * rows.row_blocks + column;
    const auto value_part = std::span(values).first(part * kNibbleBytes);
    STKIT_TRY(model.read(model.tensors()[rows.blocks], input * kNibbleBytes, value_part.size(),
                         value_part));
    STKIT_TRY(model.read(model.tensors()[rows.scales], input, part, std::span(scales).first(part)));
    for (size_t i = 0; i < part; ++i)
      repack(std::span<const std::byte, kNibbleBytes>(&values[i * kNibbleBytes], kNibbleBytes),
             scales[i],
             std::span<std::byte, kBlockBytes>(&out[(done + i) * kBlockBytes], kBlockBytes));
    done += part;
  }
  return {};
}

}  // namespace stkit::gguf_export
