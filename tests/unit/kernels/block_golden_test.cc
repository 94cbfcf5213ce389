// T33: our quantizers give the bytes that ggml's give.
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <ostream>
#include <string>

#include "base/digest.h"
#include "kernels/block_reference.h"
#include "quant_inputs.h"

namespace stkit {
namespace {

struct Golden {
  char distribution;
  DType type;
  bool importance;
  size_t bytes;
  std::string_view sha256;
  double relative_rmse;

  friend void PrintTo(const Golden& row, std::ostream* out) {
    *out << row.distribution << ' ' << name(row.type) << (row.importance ? " imatrix" : " plain");
  }
};

constexpr Golden kGolden[] = {
#define STKIT_GOLDEN_INPUT(distribution, sha256)
#define STKIT_GOLDEN_SMALL(type, bytes, plain, weighted)
#define STKIT_GOLDEN(distribution, type, importance, bytes, sha256, rmse) \
  {distribution, DType::type, importance, bytes, sha256, rmse},
#include "quant_golden.inc"
#undef STKIT_GOLDEN
#undef STKIT_GOLDEN_SMALL
#undef STKIT_GOLDEN_INPUT
};

struct SmallGolden {
  DType type;
  size_t bytes;
  std::string_view plain, weighted;
};

constexpr SmallGolden kSmallGolden[] = {
#define STKIT_GOLDEN_INPUT(distribution, sha256)
#define STKIT_GOLDEN(distribution, type, importance, bytes, sha256, rmse)
#define STKIT_GOLDEN_SMALL(type, bytes, plain, weighted) {DType::type, bytes, plain, weighted},
#include "quant_golden.inc"
#undef STKIT_GOLDEN
#undef STKIT_GOLDEN_SMALL
#undef STKIT_GOLDEN_INPUT
};

struct InputDigest {
  char distribution;
  std::string_view sha256;
};

constexpr InputDigest kInputs[] = {
#define STKIT_GOLDEN(distribution, type, importance, bytes, sha256, rmse)
#define STKIT_GOLDEN_SMALL(type, bytes, plain, weighted)
#define STKIT_GOLDEN_INPUT(distribution, sha256) {distribution, sha256},
#include "quant_golden.inc"
#undef STKIT_GOLDEN
#undef STKIT_GOLDEN_SMALL
#undef STKIT_GOLDEN_INPUT
};

template <class T>
std::string sha256(std::span<const T> items) {
  Digest digest;
  digest.update(std::as_bytes(items));
  return digest.hex();
}

const test::QuantInput& input_of(char distribution) {
  static std::map<char, test::QuantInput> made;
  if (!made.contains(distribution)) made[distribution] = test::golden_input(distribution);
  return made[distribution];
}

std::vector<std::byte> encode(DType type, const test::QuantInput& input, bool importance) {
  const size_t rows = input.values.size() / input.columns;
  const size_t row_bytes = *storage_bytes(type, input.columns);
  std::vector<std::byte> out(rows * row_bytes);
  for (size_t row = 0; row < rows; ++row)
    kernels::reference::encode_row(
        type, std::span(input.values).subspan(row * input.columns, input.columns),
        importance ? std::span<const float>(input.importance) : std::span<const float>(),
        std::span(out).subspan(row * row_bytes, row_bytes));
  return out;
}

TEST(QuantInputs, InputsAreThoseOfTheDigests) {
  for (const InputDigest& row : kInputs)
    EXPECT_EQ(sha256(std::span<const float>(input_of(row.distribution).values)), row.sha256)
        << row.distribution;
  const auto small = test::small_golden_input();
  EXPECT_EQ(sha256(std::span<const float>(small.values)),
            "c054de51ac245a5ce58a1b1508e8cb6437c8ce16ca95adecd49370edd7890f95");
  EXPECT_EQ(sha256(std::span<const float>(small.importance)),
            "e2278310339475f98b8e159bfad1132f91d122338981a66ee20fd1efdcfc54c4");
}

class BlockGolden : public testing::TestWithParam<Golden> {};

TEST_P(BlockGolden, BytesAndErrorAreGgmls) {
  const Golden& row = GetParam();
  const test::QuantInput& input = input_of(row.distribution);
  const std::vector<std::byte> blocks = encode(row.type, input, row.importance);
  EXPECT_EQ(blocks.size(), row.bytes);
  EXPECT_EQ(sha256(std::span<const std::byte>(blocks)), row.sha256);

  std::vector<float> decoded(input.values.size());
  kernels::reference::decode_blocks(row.type, blocks, decoded);
  double error = 0, total = 0;
  for (size_t i = 0; i < decoded.size(); ++i) {
    const double x = input.values[i];
    error += (x - decoded[i]) * (x - decoded[i]);
    total += x * x;
  }
  EXPECT_NEAR(std::sqrt(error / total), row.relative_rmse, 5e-6 * row.relative_rmse);
}

INSTANTIATE_TEST_SUITE_P(Digests, BlockGolden, testing::ValuesIn(kGolden));

TEST(SmallGolden, OddRows) {
  const auto input = test::small_golden_input();
  for (const SmallGolden& row : kSmallGolden) {
    const auto plain = encode(row.type, input, false);
    EXPECT_EQ(plain.size(), row.bytes);
    EXPECT_EQ(sha256(std::span<const std::byte>(plain)), row.plain) << name(row.type);
    const auto weighted = encode(row.type, input, true);
    EXPECT_EQ(sha256(std::span<const std::byte>(weighted)), row.weighted) << name(row.type);
  }
}

}  // namespace
}  // namespace stkit
