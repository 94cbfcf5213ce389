#include "stkit/dtype.h"

#include <fmt/format.h>

#include <iterator>

#include "base/checked_math.h"

namespace stkit {
namespace {

// GGML's blocks: elements and bytes as its block structs have them, scales included.
constexpr DTypeInfo kDTypes[] = {
    {DType::BOOL, "BOOL", DTypeKind::Bool, 1, 1},
    {DType::F4, "F4", DTypeKind::Float, 2, 1},
    {DType::F6_E2M3, "F6_E2M3", DTypeKind::Float, 4, 3},
    {DType::F6_E3M2, "F6_E3M2", DTypeKind::Float, 4, 3},
    {DType::U8, "U8", DTypeKind::Unsigned, 1, 1},
    {DType::I8, "I8", DTypeKind::Signed, 1, 1},
    {DType::F8_E5M2, "F8_E5M2", DTypeKind::Float, 1, 1},
    {DType::F8_E4M3, "F8_E4M3", DTypeKind::Float, 1, 1},
    {DType::F8_E8M0, "F8_E8M0", DTypeKind::Float, 1, 1},
    {DType::F8_E4M3FNUZ, "F8_E4M3FNUZ", DTypeKind::Float, 1, 1},
    {DType::F8_E5M2FNUZ, "F8_E5M2FNUZ", DTypeKind::Float, 1, 1},
    {DType::I16, "I16", DTypeKind::Signed, 1, 2},
    {DType::U16, "U16", DTypeKind::Unsigned, 1, 2},
    {DType::F16, "F16", DTypeKind::Float, 1, 2},
    {DType::BF16, "BF16", DTypeKind::Float, 1, 2},
    {DType::I32, "I32", DTypeKind::Signed, 1, 4},
    {DType::U32, "U32", DTypeKind::Unsigned, 1, 4},
    {DType::F32, "F32", DTypeKind::Float, 1, 4},
    {DType::C64, "C64", DTypeKind::Complex, 1, 8},
    {DType::F64, "F64", DTypeKind::Float, 1, 8},
    {DType::I64, "I64", DTypeKind::Signed, 1, 8},
    {DType::U64, "U64", DTypeKind::Unsigned, 1, 8},
    {DType::Q4_0, "Q4_0", DTypeKind::GgmlBlock, 32, 18},
    {DType::Q4_1, "Q4_1", DTypeKind::GgmlBlock, 32, 20},
    {DType::Q5_0, "Q5_0", DTypeKind::GgmlBlock, 32, 22},
    {DType::Q5_1, "Q5_1", DTypeKind::GgmlBlock, 32, 24},
    {DType::Q8_0, "Q8_0", DTypeKind::GgmlBlock, 32, 34},
    {DType::Q2_K, "Q2_K", DTypeKind::GgmlBlock, 256, 84},
    {DType::Q3_K, "Q3_K", DTypeKind::GgmlBlock, 256, 110},
    {DType::Q4_K, "Q4_K", DTypeKind::GgmlBlock, 256, 144},
    {DType::Q5_K, "Q5_K", DTypeKind::GgmlBlock, 256, 176},
    {DType::Q6_K, "Q6_K", DTypeKind::GgmlBlock, 256, 210},
    {DType::IQ4_NL, "IQ4_NL", DTypeKind::GgmlBlock, 32, 18},
    {DType::IQ4_XS, "IQ4_XS", DTypeKind::GgmlBlock, 256, 136},
    {DType::MXFP4, "MXFP4", DTypeKind::GgmlBlock, 32, 17},
    {DType::IQ1_S, "IQ1_S", DTypeKind::GgmlBlock, 256, 50},
    {DType::IQ1_M, "IQ1_M", DTypeKind::GgmlBlock, 256, 56},
    {DType::IQ2_XXS, "IQ2_XXS", DTypeKind::GgmlBlock, 256, 66},
    {DType::IQ2_XS, "IQ2_XS", DTypeKind::GgmlBlock, 256, 74},
    {DType::IQ2_S, "IQ2_S", DTypeKind::GgmlBlock, 256, 82},
    {DType::IQ3_XXS, "IQ3_XXS", DTypeKind::GgmlBlock, 256, 98},
    {DType::IQ3_S, "IQ3_S", DTypeKind::GgmlBlock, 256, 110},
    {DType::TQ1_0, "TQ1_0", DTypeKind::GgmlBlock, 256, 54},
    {DType::TQ2_0, "TQ2_0", DTypeKind::GgmlBlock, 256, 66},
    {DType::NVFP4, "NVFP4", DTypeKind::GgmlBlock, 64, 36},
    {DType::Q1_0, "Q1_0", DTypeKind::GgmlBlock, 128, 18},
    {DType::Q2_0, "Q2_0", DTypeKind::GgmlBlock, 64, 18},
};

constexpr bool rows_match_enum() {
  for (size_t i = 0; i < std::size(kDTypes); ++i)
    if (static_cast<size_t>(kDTypes[i].dtype) != i) return false;
  return std::size(kDTypes) == static_cast<size_t>(DType::Q2_0) + 1;
}
static_assert(rows_match_enum());

}  // namespace

std::span<const DTypeInfo> dtypes() { return kDTypes; }

const DTypeInfo& info(DType dtype) { return kDTypes[static_cast<size_t>(dtype)]; }

std::optional<DType> parse_dtype(std::string_view name) {
  for (const DTypeInfo& row : kDTypes)
    if (row.name == name) return row.dtype;
  return std::nullopt;
}

Result<uint64_t> storage_bytes(DType dtype, uint64_t elements) {
  const DTypeInfo& row = info(dtype);
  if (elements % row.block_elements != 0)
    return fail(ErrorCode::Corrupt,
                fmt::format("{} elements of {} are not a whole number of blocks of {}", elements,
                            row.name, row.block_elements));
  const auto bytes = checked_mul(elements / row.block_elements, uint64_t{row.block_bytes});
  if (!bytes)
    return fail(ErrorCode::Corrupt,
                fmt::format("{} elements of {} take more than 2^64 bytes", elements, row.name));
  return *bytes;
}

}  // namespace stkit
