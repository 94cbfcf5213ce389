#include "quant/estimate.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace stkit::quant {
namespace {

struct Tensor {
  std::string name;
  DType dtype;
  std::vector<uint64_t> shape;

  TensorInfo info() const {
    TensorInfo tensor;
    tensor.name = name;
    tensor.dtype = dtype;
    tensor.shape = shape;
    tensor.element_count = *element_count(shape);
    tensor.size_bytes = *storage_bytes(dtype, tensor.element_count);
    return tensor;
  }
};

TEST(QuantTypes, NamesOfAnyCaseAreFound) {
  for (const char* name : {"q4k", "Q4K", "q4_k", "Q4_K"}) {
    const QuantType* type = find_type(name);
    ASSERT_NE(type, nullptr) << name;
    EXPECT_EQ(type->dtype, DType::Q4_K);
  }
  for (const char* name : {"", "_", "q4", "q4_k_m", "q9k"})
    EXPECT_EQ(find_type(name), nullptr) << name;
}

TEST(QuantTypes, AreSortedByBitsAndFallBackToSmallerBlocks) {
  double bits = 0;
  for (const QuantType& type : types()) {
    EXPECT_GE(info(type.dtype).bits(), bits) << type.isq;
    bits = info(type.dtype).bits();
    EXPECT_LT(info(type.fallback).block_elements, info(type.dtype).block_elements) << type.isq;
    EXPECT_EQ(find_type(name(type.dtype)), &type) << "the type's own name is a name for it too";
  }
}

// T35
TEST(Estimate, TypeOfATensor) {
  const struct {
    Tensor tensor;
    DType q4k, q5k, q6k, q8_0;
  } cases[] = {
      {{"model.layers.0.mlp.up_proj.weight", DType::BF16, {8, 512}},
       DType::Q4_K,
       DType::Q5_K,
       DType::Q6_K,
       DType::Q8_0},
      // 896 and 288 are multiples of 32 but not of 256; 100 of neither.
      {{"a.weight", DType::BF16, {8, 896}}, DType::Q5_0, DType::Q5_1, DType::Q8_0, DType::Q8_0},
      {{"a.weight", DType::F32, {8, 288}}, DType::Q5_0, DType::Q5_1, DType::Q8_0, DType::Q8_0},
      {{"a.weight", DType::F32, {8, 100}}, DType::F16, DType::F16, DType::F16, DType::F16},
      {{"experts.weight", DType::F16, {4, 8, 256}},
       DType::Q4_K,
       DType::Q5_K,
       DType::Q6_K,
       DType::Q8_0},
      {{"model.norm.weight", DType::BF16, {512}}, DType::F32, DType::F32, DType::F32, DType::F32},
      {{"x.q_norm.weight", DType::BF16, {2, 512}}, DType::F32, DType::F32, DType::F32, DType::F32},
      {{"norm.up_proj.weight", DType::BF16, {2, 512}},
       DType::Q4_K,
       DType::Q5_K,
       DType::Q6_K,
       DType::Q8_0},
      {{"gate.weight", DType::BF16, {1, 512}}, DType::F32, DType::F32, DType::F32, DType::F32},
      {{"a.bias", DType::BF16, {512}}, DType::F32, DType::F32, DType::F32, DType::F32},
      {{"experts.bias", DType::BF16, {2, 512}}, DType::BF16, DType::BF16, DType::BF16, DType::BF16},
      {{"scalar", DType::F16, {}}, DType::F32, DType::F32, DType::F32, DType::F32},
      {{"ids.weight", DType::I32, {8, 512}}, DType::I32, DType::I32, DType::I32, DType::I32},
      {{"a.weight", DType::F8_E4M3, {8, 512}},
       DType::F8_E4M3,
       DType::F8_E4M3,
       DType::F8_E4M3,
       DType::F8_E4M3},
      {{"empty.weight", DType::BF16, {4, 0}}, DType::Q4_K, DType::Q5_K, DType::Q6_K, DType::Q8_0},
  };
  for (const auto& row : cases) {
    const TensorInfo tensor = row.tensor.info();
    const DType got[] = {isq_type(tensor, *find_type("q4k")), isq_type(tensor, *find_type("q5k")),
                         isq_type(tensor, *find_type("q6k")), isq_type(tensor, *find_type("q8_0"))};
    const DType want[] = {row.q4k, row.q5k, row.q6k, row.q8_0};
    for (size_t i = 0; i < std::size(got); ++i)
      EXPECT_EQ(name(got[i]), name(want[i])) << row.tensor.name << " in column " << i;
  }
}

TEST(Estimate, BytesAreThoseOfTheBlocks) {
  const Tensor matrix{"a.weight", DType::BF16, {4, 512}};  // 8 blocks of 256, 64 of 32
  const Tensor odd{"b.weight", DType::BF16, {4, 96}};      // 12 blocks of 32
  const Tensor norm{"norm.weight", DType::BF16, {10}};
  const Tensor ids{"ids", DType::I64, {3}};
  const TensorInfo tensors[] = {matrix.info(), odd.info(), norm.info(), ids.info()};
  const uint64_t rest = 10 * 4 + 3 * 8;
  EXPECT_EQ(estimate_bytes(tensors, *find_type("q4k")), 8 * 144 + 12 * 22 + rest);
  EXPECT_EQ(estimate_bytes(tensors, *find_type("q5k")), 8 * 176 + 12 * 24 + rest);
  EXPECT_EQ(estimate_bytes(tensors, *find_type("q6k")), 8 * 210 + 12 * 34 + rest);
  EXPECT_EQ(estimate_bytes(tensors, *find_type("q8_0")), 64 * 34 + 12 * 34 + rest);
  EXPECT_EQ(estimate_bytes({}, *find_type("q4k")), 0u);
}

TEST(Estimate, ForgedSizesSaturate) {
  TensorInfo tensor;
  tensor.name = "a";
  tensor.dtype = DType::U8;
  tensor.size_bytes = ~uint64_t{0};
  const TensorInfo tensors[] = {tensor, tensor};
  EXPECT_EQ(estimate_bytes(tensors, *find_type("q4k")), ~uint64_t{0});
}

}  // namespace
}  // namespace stkit::quant
