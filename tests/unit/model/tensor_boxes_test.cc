#include "model/tensor_boxes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "stkit/io.h"

namespace stkit {
namespace {

using Numbers = std::vector<uint64_t>;

// Files of numbered units, all open.
class Files {
 public:
  explicit Files(uint16_t unit_bytes) : unit_(unit_bytes) {}

  uint32_t add(const std::vector<uint64_t>& values) {
    auto bytes = std::make_unique<std::string>();
    for (const uint64_t value : values) bytes->append(reinterpret_cast<const char*>(&value), unit_);
    files_.push_back(open_memory_file("f", std::as_bytes(std::span(*bytes))));
    data_.push_back(std::move(bytes));
    return static_cast<uint32_t>(files_.size() - 1);
  }

  Numbers read(const BoxedTensor& tensor, uint64_t first, uint64_t count) const {
    std::string out(count * unit_, '?');
    const auto open = [&](uint32_t file) -> Result<std::shared_ptr<const RandomAccessFile>> {
      return files_[file];
    };
    const auto done = read_boxes(tensor, first, std::as_writable_bytes(std::span(out)), open);
    EXPECT_TRUE(done.has_value());
    Numbers values(count);
    for (size_t i = 0; i < count; ++i)
      out.copy(reinterpret_cast<char*>(&values[i]), unit_, i * unit_);
    return values;
  }

 private:
  uint16_t unit_;
  std::vector<std::unique_ptr<std::string>> data_;
  std::vector<std::shared_ptr<const RandomAccessFile>> files_;
};

Numbers numbered(uint64_t count) {
  Numbers values(count);
  std::iota(values.begin(), values.end(), uint64_t{0});
  return values;
}

// What a view holds, element by element.
Numbers expected(const Numbers& shape, const Numbers& strides, uint64_t offset) {
  Numbers values;
  const uint64_t count =
      std::accumulate(shape.begin(), shape.end(), uint64_t{1}, std::multiplies());
  for (uint64_t i = 0; i < count; ++i) {
    uint64_t rest = i, at = offset;
    for (size_t d = shape.size(); d-- > 0; rest /= shape[d]) at += rest % shape[d] * strides[d];
    values.push_back(at);
  }
  return values;
}

// T24: every range of every view, against the definition.
TEST(TensorBoxes, ViewsAreReadAtAnyPosition) {
  struct Case {
    const char* name;
    Numbers shape, strides;
    uint64_t offset;
    bool contiguous;
  };
  const Case cases[] = {
      {"dense", {2, 3, 4}, {12, 4, 1}, 3, true},
      {"scalar", {}, {}, 5, true},
      {"ones with odd strides", {1, 3, 1}, {77, 1, 99}, 0, true},
      {"transposed", {5, 4}, {1, 5}, 0, false},
      {"rotated", {3, 4, 2}, {1, 6, 3}, 1, false},
      {"columns", {6, 3}, {5, 1}, 2, false},
      {"every third", {7}, {3}, 1, false},
      {"expanded rows", {4, 3}, {0, 1}, 2, false},
      {"expanded columns", {3, 4}, {1, 0}, 2, false},
      {"expanded in the middle", {2, 3, 2}, {6, 0, 2}, 0, false},
      {"one value everywhere", {3, 3}, {0, 0}, 9, false},
      {"overlapping", {4, 3}, {1, 1}, 0, false},
  };
  for (const uint16_t unit : {uint16_t{1}, uint16_t{2}, uint16_t{4}, uint16_t{8}}) {
    Files files(unit);
    const uint32_t file = files.add(numbered(40));
    for (const Case& c : cases) {
      SCOPED_TRACE(c.name);
      const BoxedTensor tensor = strided_tensor(file, c.offset * unit, c.shape, c.strides, unit);
      EXPECT_EQ(is_contiguous(tensor), c.contiguous);
      const Numbers all = expected(c.shape, c.strides, c.offset);
      for (uint64_t first = 0; first <= all.size(); ++first)
        for (uint64_t count = 0; count <= all.size() - first; ++count)
          ASSERT_EQ(files.read(tensor, first, count),
                    Numbers(all.begin() + static_cast<std::ptrdiff_t>(first),
                            all.begin() + static_cast<std::ptrdiff_t>(first + count)))
              << first << " " << count;
    }
  }
}

// Beyond the windows in which close elements are read, and beyond the gap that makes them far.
TEST(TensorBoxes, LargeViewsAreReadInPieces) {
  Files files(8);
  const uint32_t file = files.add(numbered(400'000));
  const std::pair<Numbers, Numbers> views[] = {
      {{600, 600}, {1, 600}},       {{100'000}, {3}}, {{300}, {1000}}, {{50'000, 2}, {7, 2}},
      {{2, 300'000}, {100'000, 1}},
  };
  for (const auto& [shape, strides] : views) {
    const BoxedTensor tensor = strided_tensor(file, 0, shape, strides, 8);
    const Numbers all = expected(shape, strides, 0);
    EXPECT_EQ(files.read(tensor, 0, all.size()), all);
    EXPECT_EQ(files.read(tensor, 77, 100), Numbers(all.begin() + 77, all.begin() + 177));
  }
}

// Slices of ranks and chunks of meshes: boxes that tile a tensor in any way.
TEST(TensorBoxes, BoxesOfManyFilesMakeOneTensor) {
  std::mt19937 random(7);
  for (int round = 0; round < 50; ++round) {
    const auto below = [&](uint64_t bound) { return random() % bound; };
    BoxedTensor tensor{.shape = {1 + below(6), 1 + below(7), 1 + below(5)}, .unit_bytes = 4};
    Files files(4);
    const Numbers steps = {tensor.shape[1] * tensor.shape[2], tensor.shape[2], 1};
    std::vector<uint64_t> cuts[3];
    for (size_t d = 0; d < 3; ++d) {
      cuts[d] = {0, tensor.shape[d]};
      if (tensor.shape[d] > 1) cuts[d].push_back(1 + below(tensor.shape[d] - 1));
      std::ranges::sort(cuts[d]);
    }
    for (size_t i = 0; i + 1 < cuts[0].size(); ++i)
      for (size_t j = 0; j + 1 < cuts[1].size(); ++j)
        for (size_t k = 0; k + 1 < cuts[2].size(); ++k) {
          TensorBox box{.origin = {cuts[0][i], cuts[1][j], cuts[2][k]}};
          box.size = {cuts[0][i + 1] - cuts[0][i], cuts[1][j + 1] - cuts[1][j],
                      cuts[2][k + 1] - cuts[2][k]};
          box.strides = {box.size[1] * box.size[2], box.size[2], 1};
          uint64_t offset = 0;
          for (size_t d = 0; d < 3; ++d) offset += box.origin[d] * steps[d];
          box.file = files.add(expected(box.size, steps, offset));
          tensor.boxes.push_back(std::move(box));
        }
    std::ranges::shuffle(tensor.boxes, random);
    const Numbers all = numbered(steps[0] * tensor.shape[0]);
    for (uint64_t first = 0; first < all.size(); ++first) {
      const uint64_t count = 1 + below(all.size() - first);
      ASSERT_EQ(files.read(tensor, first, count),
                Numbers(all.begin() + static_cast<std::ptrdiff_t>(first),
                        all.begin() + static_cast<std::ptrdiff_t>(first + count)));
    }
  }
}

// T27
TEST(TensorBoxes, BigEndianNumbersAreTurnedAround) {
  Files files(4);
  const uint32_t file = files.add({0x01020304, 0x05060708});
  BoxedTensor tensor = strided_tensor(file, 0, Numbers{2}, Numbers{1}, 4);
  tensor.swap_bytes = 4;
  EXPECT_FALSE(is_contiguous(tensor));
  EXPECT_EQ(files.read(tensor, 0, 2), (Numbers{0x04030201, 0x08070605}));
  tensor.swap_bytes = 2;  // halves of a complex number
  EXPECT_EQ(files.read(tensor, 1, 1), (Numbers{0x06050807}));
}

}  // namespace
}  // namespace stkit
