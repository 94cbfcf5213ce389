#include "kernels/block_scale_check.h"

#include <cstdint>
#include <cstring>
#include <span>

#include "base/check.h"
#include "kernels/block_layout.h"

namespace stkit::kernels {
namespace {

constexpr uint16_t kHalfInfinity = 0x7C00;

// The halves at these members.
template <class Block, class... Members>
std::optional<size_t> first_unbounded(std::span<const std::byte> blocks, uint16_t Block::* member,
                                      Members... others) {
  const auto is_bounded = [](uint16_t half) { return (half & kHalfInfinity) != kHalfInfinity; };
  for (size_t i = 0; i < blocks.size() / sizeof(Block); ++i) {
    Block block;
    std::memcpy(&block, blocks.data() + i * sizeof(Block), sizeof(Block));
    if (!is_bounded(block.*member) || !(is_bounded(block.*others) && ...)) return i;
  }
  return std::nullopt;
}

// Its scale is a power of two; the last code is NaN.
std::optional<size_t> first_nan_exponent(std::span<const std::byte> blocks) {
  for (size_t i = 0; i < blocks.size(); i += sizeof(BlockMxfp4))
    if (blocks[i] == std::byte{0xFF}) return i / sizeof(BlockMxfp4);
  return std::nullopt;
}

}  // namespace

std::optional<size_t> first_block_without_scale(DType type, std::span<const std::byte> blocks) {
  STKIT_CHECK(blocks.size() % info(type).block_bytes == 0);
  switch (type) {
    case DType::Q4_0: return first_unbounded(blocks, &BlockQ4_0::d);
    case DType::Q4_1: return first_unbounded(blocks, &BlockQ4_1::d, &BlockQ4_1::m);
    case DType::Q5_0: return first_unbounded(blocks, &BlockQ5_0::d);
    case DType::Q5_1: return first_unbounded(blocks, &BlockQ5_1::d, &BlockQ5_1::m);
    case DType::Q8_0: return first_unbounded(blocks, &BlockQ8_0::d);
    case DType::Q2_K: return first_unbounded(blocks, &BlockQ2K::d, &BlockQ2K::dmin);
    case DType::Q3_K: return first_unbounded(blocks, &BlockQ3K::d);
    case DType::Q4_K: return first_unbounded(blocks, &BlockQ4K::d, &BlockQ4K::dmin);
    case DType::Q5_K: return first_unbounded(blocks, &BlockQ5K::d, &BlockQ5K::dmin);
    case DType::Q6_K: return first_unbounded(blocks, &BlockQ6K::d);
    case DType::IQ4_NL: return first_unbounded(blocks, &BlockIq4Nl::d);
    case DType::IQ4_XS: return first_unbounded(blocks, &BlockIq4Xs::d);
    case DType::MXFP4: return first_nan_exponent(blocks);
    default: STKIT_CHECK(false && "a GGML block type that is encoded");
  }
  return std::nullopt;
}

}  // namespace stkit::kernels
