#include "stkit/dtype.h"

#include <gtest/gtest.h>

#include <set>

#include "stkit/tensor.h"

namespace stkit {
namespace {

TEST(DType, EveryNameParsesBackToItsRow) {
  std::set<std::string_view> seen;
  for (const DTypeInfo& row : dtypes()) {
    EXPECT_TRUE(seen.insert(row.name).second) << row.name;
    EXPECT_EQ(parse_dtype(row.name), row.dtype);
  }
  EXPECT_EQ(parse_dtype("bf16"), std::nullopt) << "names are case-sensitive";
}

TEST(DType, SafetensorsHasTwentyTwo) {
  int count = 0;
  for (const DTypeInfo& row : dtypes()) count += row.in_safetensors();
  EXPECT_EQ(count, 22);
}

// T16
TEST(DType, SubByteTypesNeedWholeBytes) {
  EXPECT_EQ(storage_bytes(DType::F4, 4), 2u);
  EXPECT_FALSE(storage_bytes(DType::F4, 3));
  EXPECT_EQ(storage_bytes(DType::F6_E2M3, 4), 3u);
  EXPECT_FALSE(storage_bytes(DType::F6_E3M2, 3));
  EXPECT_FALSE(storage_bytes(DType::F6_E3M2, 2));
  EXPECT_EQ(storage_bytes(DType::C64, 3), 24u);
  EXPECT_EQ(storage_bytes(DType::F8_E8M0, 7), 7u);
}

TEST(DType, SizesThatOverflowFail) {
  EXPECT_FALSE(storage_bytes(DType::F64, uint64_t{1} << 61));
  EXPECT_TRUE(storage_bytes(DType::U8, ~uint64_t{0}));
}

TEST(Shape, MultipliesInOrder) {
  const uint64_t zero_first[] = {0, ~uint64_t{0}, 2};
  const uint64_t zero_last[] = {~uint64_t{0}, 2, 0};
  const uint64_t plain[] = {2, 3, 4};
  EXPECT_EQ(element_count({}), 1u);
  EXPECT_EQ(element_count(plain), 24u);
  EXPECT_EQ(element_count(zero_first), 0u);
  EXPECT_FALSE(element_count(zero_last));
}

}  // namespace
}  // namespace stkit
