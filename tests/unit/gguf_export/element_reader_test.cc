#include "gguf_export/element_reader.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <string>

#include "kernels/half.h"
#include "support/model_builder.h"
#include "support/temp_dir.h"

namespace stkit::gguf_export {
namespace {

template <class T>
std::string bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

std::vector<float> counting(size_t count, float first = 0) {
  std::vector<float> values(count);
  for (float& value : values) value = first++;
  return values;
}

// A model of one F32 tensor "a" of 0, 1, 2, ... and one BF16 tensor "b" of the same from 100 on.
class ElementReaderTest : public ::testing::Test {
 protected:
  static constexpr uint64_t kElements = 2 * 3 * 4 * 5;

  ElementReaderTest() {
    std::vector<uint16_t> halves;
    for (const float value : counting(kElements, 100)) halves.push_back(kernels::to_bf16(value));
    test::ModelBuilder()
        .tensor("a", DType::F32, {6, 20}, bytes_of(counting(kElements)))
        .tensor("b", DType::BF16, {6, 20}, bytes_of(halves))
        .write(dir_.path());
    model_.emplace(*Model::open(dir_.path().string()));
    a_ = index_of("a");
    b_ = index_of("b");
  }

  uint32_t index_of(std::string_view name) const {
    return static_cast<uint32_t>(model_->find(name) - model_->tensors().data());
  }
  ElementReader reader(ElementSource source) const {
    return *ElementReader::open(*model_, std::move(source));
  }
  static std::vector<float> read(const ElementReader& reader, uint64_t first, uint64_t count) {
    std::vector<float> out(count, -1);
    EXPECT_TRUE(reader.read(first, count, out));
    return out;
  }
  static std::vector<float> read(const ElementReader& reader) {
    return read(reader, 0, reader.element_count());
  }
  static std::vector<float> read_stored(const ElementReader& reader, uint64_t first,
                                        uint64_t count) {
    std::vector<float> out(count, -1);
    EXPECT_TRUE(reader.read_stored(first, count, std::as_writable_bytes(std::span(out))));
    return out;
  }

  test::TempDir dir_;
  std::optional<Model> model_;
  uint32_t a_ = 0, b_ = 0;
};

// What a box says, one element at a time.
std::vector<float> elements_of(const Box& box) {
  std::vector<float> values;
  for (uint64_t i = 0; i < box.axes[0].count; ++i)
    for (uint64_t j = 0; j < box.axes[1].count; ++j)
      for (uint64_t k = 0; k < box.axes[2].count; ++k)
        for (uint64_t l = 0; l < box.axes[3].count; ++l)
          values.push_back(static_cast<float>(box.first_element + i * box.axes[0].stride +
                                              j * box.axes[1].stride + k * box.axes[2].stride +
                                              l * box.axes[3].stride));
  return values;
}

TEST_F(ElementReaderTest, ARunIsItsBytesInTheFile) {
  const ElementReader rows = reader({.boxes = {run_of(a_, 20, 40)}});
  EXPECT_EQ(read(rows), counting(40, 20));
  EXPECT_EQ(rows.stored_dtype(), DType::F32);
  const TensorInfo& a = model_->tensors()[a_];
  EXPECT_EQ(rows.run(), (ByteRun{a.file, a.offset_bytes + 80, 160}));
}

TEST_F(ElementReaderTest, AxesThatAreOneRunAreOne) {
  const ElementReader all = reader({.boxes = {box_of(a_, 0, {{2, 60}, {3, 20}, {1, 7}, {20, 1}})}});
  ASSERT_TRUE(all.run());
  EXPECT_EQ(all.run()->size_bytes, kElements * 4);
}

TEST_F(ElementReaderTest, BoxesAreReadOneBehindTheOther) {
  const ElementReader stack =
      reader({.boxes = {run_of(a_, 100, 20), run_of(a_, 0, 3), run_of(b_, 7, 2)}});
  std::vector<float> expected = counting(20, 100);
  for (const float value : {0.f, 1.f, 2.f, 107.f, 108.f}) expected.push_back(value);
  EXPECT_EQ(read(stack), expected);
  EXPECT_EQ(read(stack, 19, 5), (std::vector<float>{119, 0, 1, 2, 107}));
  EXPECT_FALSE(stack.stored_dtype()) << "two types are no one type";
  EXPECT_FALSE(stack.run());
}

TEST_F(ElementReaderTest, ShiftAndConstants) {
  EXPECT_EQ(read(reader({.boxes = {run_of(b_, 0, 3)}, .shift = 1})),
            (std::vector<float>{101, 102, 103}));
  EXPECT_FALSE(reader({.boxes = {run_of(a_, 0, 3)}, .shift = 1}).stored_dtype());
  EXPECT_EQ(read(reader({.constants = {1, 8, 2.5}}), 1, 2), (std::vector<float>{8, 2.5}));
}

// Every way that exporting walks a tensor, in every piece that it could be asked for in.
TEST_F(ElementReaderTest, AnyPieceOfAnyBox) {
  const Box boxes[] = {
      box_of(a_, 0, {{20, 1}, {6, 20}}),                   // transposed
      box_of(a_, 0, {{2, 60}, {20, 1}, {3, 20}}),          // each of a stack transposed
      box_of(a_, 0, {{2, 60}, {10, 2}, {2, 30}}),          // nothing lies side by side
      box_of(a_, 0, {{3, 40}, {2, 20}, {2, 10}, {5, 2}}),  // every other column
      box_of(a_, 20, {{2, 20}, {2, 10}, {10, 1}}),         // one run after all
      box_of(a_, 5, {{3, 20}, {2, 10}, {5, 1}}),           // columns 5-9 and 15-19
      box_of(a_, 0, {{2, 60}, {5, 4}, {3, 20}, {4, 1}}),   // factors swapped
  };
  for (const Box& box : boxes) {
    const std::vector<float> expected = elements_of(box);
    const ElementReader all = reader({.boxes = {box}});
    const uint64_t size = all.element_count();
    ASSERT_EQ(size, expected.size());
    for (uint64_t first = 0; first < size; ++first)
      for (uint64_t count = 0; count <= size - first; count += 1 + count / 8) {
        const std::vector<float> part(expected.begin() + static_cast<ptrdiff_t>(first),
                                      expected.begin() + static_cast<ptrdiff_t>(first + count));
        ASSERT_EQ(read(all, first, count), part) << first << " " << count;
        ASSERT_EQ(read_stored(all, first, count), part) << first << " " << count;
      }
  }
}

TEST_F(ElementReaderTest, RunsLongerThanAPiece) {
  constexpr uint64_t kRows = 3, kColumns = 50'000;
  test::TempDir dir;
  test::ModelBuilder()
      .tensor("w", DType::F32, {kRows, kColumns}, bytes_of(counting(kRows * kColumns)))
      .write(dir.path());
  const Model model = *Model::open(dir.path().string());
  const Box transposed = box_of(0, 0, {{kColumns, 1}, {kRows, kColumns}});
  const ElementReader all = *ElementReader::open(model, {.boxes = {transposed}});
  EXPECT_EQ(read(all), elements_of(transposed));
  EXPECT_EQ(read_stored(all, 0, all.element_count()), elements_of(transposed));
}

TEST(ElementReaderScale, BlocksThatDoNotFillTheLastRowAndColumn) {
  // 3 x 5 elements of value 1.0 (0x38), scales for blocks of 2 x 2: [2 x 3].
  test::TempDir dir;
  test::ModelBuilder()
      .tensor("w", DType::F8_E4M3, {3, 5}, std::string(15, '\x38'))
      .tensor("w_scale_inv", DType::F32, {2, 3}, bytes_of<float>({1, 2, 3, 4, 5, 6}))
      .write(dir.path());
  const Model model = *Model::open(dir.path().string());
  const auto index = [&](std::string_view name) {
    return static_cast<uint32_t>(model.find(name) - model.tensors().data());
  };
  Box box = run_of(index("w"), 0, 15);
  box.scale = BlockScale{index("w_scale_inv"), 5, 2, 2};
  const ElementReader all = *ElementReader::open(model, {.boxes = {box}});
  EXPECT_FALSE(all.stored_dtype());
  std::vector<float> out(15);
  ASSERT_TRUE(all.read(0, 15, out));
  EXPECT_EQ(out, (std::vector<float>{1, 1, 2, 2, 3, 1, 1, 2, 2, 3, 4, 4, 5, 5, 6}));

  // The same scales found through a transpose.
  Box transposed = box_of(index("w"), 0, {{5, 1}, {3, 5}});
  transposed.scale = box.scale;
  const ElementReader columns = *ElementReader::open(model, {.boxes = {transposed}});
  ASSERT_TRUE(columns.read(0, 15, out));
  EXPECT_EQ(out, (std::vector<float>{1, 1, 4, 1, 1, 4, 2, 2, 5, 2, 2, 5, 3, 3, 6}));
}

TEST_F(ElementReaderTest, AnInputThatCannotBeReadIsAnError) {
  const ElementReader all = reader({.boxes = {run_of(a_, 0, kElements)}});
  std::filesystem::resize_file(dir_ / "model.safetensors", 64);
  std::vector<float> out(kElements);
  EXPECT_FALSE(all.read(0, kElements, out));
}

}  // namespace
}  // namespace stkit::gguf_export
