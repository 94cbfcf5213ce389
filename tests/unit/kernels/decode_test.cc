// T36: decoding gives the reference's floats, bit for bit, on every SIMD target.
#include "kernels/decode.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "kernels/block_reference.h"
#include "quant_inputs.h"
#include "simd_targets.h"

namespace stkit {
namespace {

constexpr DType kTypes[] = {DType::Q4_0,   DType::Q4_1,   DType::Q5_0, DType::Q5_1, DType::Q8_0,
                            DType::Q2_K,   DType::Q3_K,   DType::Q4_K, DType::Q5_K, DType::Q6_K,
                            DType::IQ4_NL, DType::IQ4_XS, DType::MXFP4};

// Any bytes are blocks, those with infinite scales too.
TEST(DecodeBlocks, RandomBytesEqualTheReferenceOnEveryTarget) {
  constexpr size_t kBlocks = 300;
  test::SplitMix64 random(5);
  for (const DType type : kTypes) {
    std::vector<std::byte> blocks(kBlocks * info(type).block_bytes);
    for (std::byte& byte : blocks) byte = static_cast<std::byte>(random.next() >> 56);
    std::vector<float> expected(kBlocks * info(type).block_elements);
    kernels::reference::decode_blocks(type, blocks, expected);
    for (const int64_t target : test::simd_targets()) {
      const test::UseTarget use(target);
      std::vector<float> actual(expected.size());
      kernels::decode_blocks(type, blocks, actual);
      size_t different = 0;
      for (size_t i = 0; i < actual.size(); ++i) {
        // Which NaN it is depends on the operands' order, which compilers choose.
        const bool both_nan = actual[i] != actual[i] && expected[i] != expected[i];
        different += !both_nan && std::memcmp(&actual[i], &expected[i], sizeof(float)) != 0;
      }
      EXPECT_EQ(different, 0u) << name(type) << " on " << hwy::TargetName(target);
    }
  }
}

}  // namespace
}  // namespace stkit
