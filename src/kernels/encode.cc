#include "kernels/encode.h"

#include "base/check.h"
#include "kernels/encode_min.h"
#include "kernels/encode_small.h"
#include "kernels/encode_symmetric.h"

namespace stkit::kernels {

void encode_rows(DType type, std::span<const float> rows, size_t columns,
                 std::span<const float> importance, std::span<std::byte> out) {
  const DTypeInfo& row = info(type);
  STKIT_CHECK(row.kind == DTypeKind::GgmlBlock);
  STKIT_CHECK(columns % row.block_elements == 0 && rows.size() % columns == 0);
  STKIT_CHECK(rows.size() / row.block_elements * row.block_bytes == out.size());
  STKIT_CHECK(importance.empty() || importance.size() == columns);
  switch (type) {
    case DType::Q2_K:
    case DType::Q4_K:
    case DType::Q5_K: return encode_with_min(type, rows, columns, importance, out.data());
    case DType::Q3_K:
    case DType::Q6_K: return encode_symmetric(type, rows, columns, importance, out.data());
    default: break;
  }
  const bool is_table = type == DType::MXFP4 || type == DType::IQ4_NL || type == DType::IQ4_XS;
  const auto encode_row = is_table ? encode_table : encode_small;
  const size_t row_bytes = columns / row.block_elements * row.block_bytes;
  for (size_t i = 0; i * columns < rows.size(); ++i)
    encode_row(type, rows.subspan(i * columns, columns), importance, out.data() + i * row_bytes);
}

}  // namespace stkit::kernels
