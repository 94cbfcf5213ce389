#include <gtest/gtest.h>

#include <regex>

#include "quantize_support.h"

namespace stkit::test {
namespace {

std::vector<DType> types_of(const QuantizePlan& plan) {
  std::vector<DType> types;
  for (const QuantizePlan::Tensor& tensor : plan.tensors()) types.push_back(tensor.to);
  return types;
}

uint64_t size_with(const std::filesystem::path& model, const std::filesystem::path& output,
                   const std::string& isq) {
  return planned(model, output, {.isq = isq, .arch = "none"}).output_bytes();
}

// Two matrices of one size: one of two values only, which a few bits hold, and one of any.
ModelBuilder easy_and_hard() {
  std::vector<float> easy = weights(9, 64 * 512);
  for (float& value : easy) value = std::copysign(0.02f, value);
  ModelBuilder builder;
  builder.tensor("easy.weight", DType::F32, {64, 512}, f32_bytes(easy));
  builder.tensor("hard.weight", DType::F32, {64, 512}, f32_bytes(weights(8, 64 * 512)));
  return builder;
}

TEST(QuantizeFit, NeverExceedsTheSizeAndUsesIt) {
  TempDir dir;
  mixed_model().write(dir / "model");
  const auto output = dir / "out.gguf";
  const uint64_t least = size_with(dir / "model", output, "q2k");
  const uint64_t most = size_with(dir / "model", output, "q8_0");
  uint64_t before = 0;
  for (uint64_t size = least; size < most; size += (most - least) / 7) {
    const QuantizeOptions options{.fit_bytes = size, .arch = "none", .overwrite = true};
    const QuantizePlan plan = planned(dir / "model", output, options);
    EXPECT_LE(plan.output_bytes(), size);
    EXPECT_GE(plan.output_bytes(), before);
    before = plan.output_bytes();
    EXPECT_EQ(types_of(plan), types_of(planned(dir / "model", output, options)));
    ASSERT_TRUE(quantize(plan, {.threads = 1}).has_value());
    EXPECT_EQ(std::filesystem::file_size(output), plan.output_bytes());
    GgufFile written(output);
  }
  EXPECT_GT(before, least);
}

TEST(QuantizeFit, GivesBitsToTheTensorThatNeedsThem) {
  TempDir dir;
  easy_and_hard().write(dir / "model");
  const uint64_t size = size_with(dir / "model", dir / "out.gguf", "q4k");
  const QuantizePlan plan = planned(dir / "model", dir / "out.gguf", {.fit_bytes = size});
  EXPECT_GT(tensor_of(plan, "hard.weight").size_bytes, tensor_of(plan, "easy.weight").size_bytes);
}

TEST(QuantizeFit, LeavesAloneWhatAnOptionNames) {
  TempDir dir;
  easy_and_hard().write(dir / "model");
  const QuantizePlan plan = planned(dir / "model", dir / "out.gguf",
                                    {.fit_bytes = 1 << 20, .tensor_types = {{"easy.*", "q3k"}}});
  EXPECT_EQ(tensor_of(plan, "easy.weight").to, DType::Q3_K);
  EXPECT_EQ(tensor_of(plan, "hard.weight").to, DType::Q8_0);
}

TEST(QuantizeFit, AnImpossibleSizeIsRefusedWithTheSmallest) {
  TempDir dir;
  mixed_model().write(dir / "model");
  const auto output = dir / "out.gguf";
  const Error error = quantize_error(dir / "model", output, {.fit_bytes = 1000, .arch = "none"});
  EXPECT_EQ(error.code, ErrorCode::Usage);
  EXPECT_NE(error.message.find("no mix of types fits 1,000 bytes"), std::string::npos)
      << error.message;
  std::smatch number;
  ASSERT_TRUE(std::regex_search(error.hint, number, std::regex("[0-9]+"))) << error.hint;
  const uint64_t smallest = std::stoull(number[0]);
  const QuantizePlan plan = planned(dir / "model", output, {.fit_bytes = smallest, .arch = "none"});
  EXPECT_EQ(plan.output_bytes(), smallest);
  EXPECT_EQ(quantize_error(dir / "model", output, {.fit_bytes = smallest - 1, .arch = "none"}).code,
            ErrorCode::Usage);
}

}  // namespace
}  // namespace stkit::test
