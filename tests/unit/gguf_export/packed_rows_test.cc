#include "gguf_export/packed_rows.h"

#include <cmath>
#include <span>

#include "export_model.h"
#include "kernels/decode.h"

namespace stkit::gguf_export {
namespace {

constexpr float kValues[16] = {0, .5f, 1, 1.5f, 2, 3, 4, 6, -0.f, -.5f, -1, -1.5f, -2, -3, -4, -6};

// Two matrices of four rows of 64 elements. Byte i of the blocks is i times 7, row r is scaled by
// 2^(r - 3).
test::ModelBuilder packed_builder() {
  std::string blocks(2 * 4 * 2 * 16, '\0'), scales(2 * 4 * 2, '\0');
  for (size_t i = 0; i < blocks.size(); ++i) blocks[i] = static_cast<char>(i * 7);
  for (size_t i = 0; i < scales.size(); ++i) scales[i] = static_cast<char>(124 + i / 2);
  return test::ModelBuilder()
      .tensor("w_blocks", DType::U8, {2, 4, 2, 16}, blocks)
      .tensor("w_scales", DType::U8, {2, 4, 2}, scales);
}

uint32_t index_of(const Model& model, std::string_view name) {
  return static_cast<uint32_t>(model.find(name) - model.tensors().data());
}

// Element `i` of a row of the input, from the bytes as they were published.
float published(size_t row, size_t i) {
  const auto byte = static_cast<uint8_t>((row * 32 + i / 2) * 7);
  const uint8_t code = i % 2 == 0 ? byte & 0x0F : byte >> 4;
  return std::ldexp(kValues[code], static_cast<int>(row) - 3);
}

TEST(PackedRows, ValuesAreThoseThatWerePublished) {
  ExportModel source(packed_builder(), "{}");
  const Model& model = source.model();
  struct Case {
    uint64_t first, step;
    std::vector<size_t> rows;
  };
  for (const Case& c :
       {Case{0, 1, {0, 1, 2, 3, 4, 5, 6, 7}}, Case{0, 2, {0, 2, 4, 6}}, Case{1, 2, {1, 3, 5, 7}}}) {
    const auto rows = packed_rows_of(model, index_of(model, "w_blocks"),
                                     index_of(model, "w_scales"), c.first, c.step);
    ASSERT_TRUE(rows) << rows.error().message;
    EXPECT_EQ(rows->matrices, 2u);
    EXPECT_EQ(rows->rows, 4 / c.step);
    std::vector<std::byte> bytes(c.rows.size() * 2 * 17);
    ASSERT_TRUE(read_packed(model, *rows, 0, bytes));
    std::vector<float> values(c.rows.size() * 64);
    kernels::decode_blocks(DType::MXFP4, bytes, values);
    for (size_t i = 0; i < values.size(); ++i)
      ASSERT_EQ(values[i], published(c.rows[i / 64], i % 64)) << "element " << i;
    // In parts, from the middle of a row.
    std::vector<std::byte> part(3 * 17);
    ASSERT_TRUE(read_packed(model, *rows, 1, part));
    EXPECT_TRUE(std::ranges::equal(part, std::span(bytes).subspan(17, part.size())));
  }
}

TEST(PackedRows, ShapesThatDoNotGoTogether) {
  const struct {
    DType dtype;
    std::vector<uint64_t> blocks, scales;
    uint64_t step;
  } cases[] = {{DType::I8, {2, 4, 2, 16}, {2, 4, 2}, 1},
               {DType::U8, {2, 4, 2, 8}, {2, 4, 2}, 1},
               {DType::U8, {2, 4, 32}, {2, 4, 2}, 1},
               {DType::U8, {2, 4, 2, 16}, {2, 4, 3}, 1},
               {DType::U8, {2, 3, 2, 16}, {2, 3, 2}, 2}};
  for (const auto& c : cases) {
    ExportModel source(test::ModelBuilder()
                           .tensor("w_blocks", c.dtype, c.blocks)
                           .tensor("w_scales", DType::U8, c.scales),
                       "{}");
    const Model& model = source.model();
    const auto rows =
        packed_rows_of(model, index_of(model, "w_blocks"), index_of(model, "w_scales"), 0, c.step);
    ASSERT_FALSE(rows);
    EXPECT_EQ(rows.error().code, ErrorCode::Corrupt);
  }
}

}  // namespace
}  // namespace stkit::gguf_export
