#include "kernels/decode.h"

#include "kernels/block_reference.h"

namespace stkit::kernels {

void decode_blocks(DType type, std::span<const std::byte> blocks, std::span<float> out) {
  reference::decode_blocks(type, blocks, out);
}

}  // namespace stkit::kernels
