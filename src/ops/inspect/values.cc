#include <fmt/format.h>

#include <algorithm>

#include "kernels/decode.h"
#include "kernels/stats.h"
#include "stkit/inspect.h"
#include "stkit/text.h"

namespace stkit {
namespace {

// 1 GiB of doubles; whoever wants more wants a file.
constexpr uint64_t kMostValues = uint64_t{1} << 27;

}  // namespace

Result<std::vector<double>> first_values(const Model& model, const TensorInfo& tensor,
                                         uint64_t count) {
  const DTypeInfo& type = info(tensor.dtype);
  const bool is_block = type.kind == DTypeKind::GgmlBlock;
  if (is_block && !kernels::is_decoded(tensor.dtype))
    return fail(ErrorCode::Unsupported,
                fmt::format("tensor '{}' is {}: its values are coded in blocks that cannot be "
                            "decoded",
                            tensor.name, type.name));
  count = std::min(count, tensor.element_count);
  if (count > kMostValues)
    return fail(ErrorCode::Usage,
                fmt::format("{} values are more than the {} that can be shown",
                            format_grouped(count), format_grouped(kMostValues)),
                "write the tensor to a file with --npy");

  // Sub-byte types are read in whole blocks, and a tensor is whole blocks.
  const uint64_t blocks = (count + type.block_elements - 1) / type.block_elements;
  const uint64_t elements = blocks * type.block_elements;
  std::vector<std::byte> bytes(static_cast<size_t>(blocks * type.block_bytes));
  STKIT_TRY(model.read(tensor, 0, elements, bytes));
  const uint64_t numbers_per_element = type.kind == DTypeKind::Complex ? 2 : 1;
  std::vector<double> values(static_cast<size_t>(elements * numbers_per_element));
  if (is_block) {
    std::vector<float> decoded(static_cast<size_t>(elements));
    kernels::decode_blocks(tensor.dtype, bytes, decoded);
    std::ranges::copy(decoded, values.begin());
  } else {
    kernels::to_double(tensor.dtype, bytes, values);
  }
  values.resize(static_cast<size_t>(count * numbers_per_element));
  return values;
}

}  // namespace stkit
