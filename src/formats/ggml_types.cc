#include "formats/ggml_types.h"

#include <fmt/format.h>

#include <string_view>

#include "base/check.h"

namespace stkit {
namespace {

struct GgmlType {
  uint32_t id;
  DType dtype;
};

constexpr GgmlType kTypes[] = {
    {0, DType::F32},      {1, DType::F16},     {2, DType::Q4_0},     {3, DType::Q4_1},
    {6, DType::Q5_0},     {7, DType::Q5_1},    {8, DType::Q8_0},     {10, DType::Q2_K},
    {11, DType::Q3_K},    {12, DType::Q4_K},   {13, DType::Q5_K},    {14, DType::Q6_K},
    {16, DType::IQ2_XXS}, {17, DType::IQ2_XS}, {18, DType::IQ3_XXS}, {19, DType::IQ1_S},
    {20, DType::IQ4_NL},  {21, DType::IQ3_S},  {22, DType::IQ2_S},   {23, DType::IQ4_XS},
    {24, DType::I8},      {25, DType::I16},    {26, DType::I32},     {27, DType::I64},
    {28, DType::F64},     {29, DType::IQ1_M},  {30, DType::BF16},    {34, DType::TQ1_0},
    {35, DType::TQ2_0},   {39, DType::MXFP4},  {40, DType::NVFP4},   {41, DType::Q1_0},
    {42, DType::Q2_0},
};

// Ids that mean something, but nothing that a file can be read by.
struct UnusableType {
  uint32_t id;
  std::string_view name;
  std::string_view reason;
};

constexpr std::string_view kRemoved = "which ggml has removed";
constexpr std::string_view kInMemory = "which ggml uses in memory only";

constexpr UnusableType kUnusable[] = {
    {4, "Q4_2", kRemoved},        {5, "Q4_3", kRemoved},        {9, "Q8_1", kInMemory},
    {15, "Q8_K", kInMemory},      {31, "Q4_0_4_4", kRemoved},   {32, "Q4_0_4_8", kRemoved},
    {33, "Q4_0_8_8", kRemoved},   {36, "IQ4_NL_4_4", kRemoved}, {37, "IQ4_NL_4_8", kRemoved},
    {38, "IQ4_NL_8_8", kRemoved},
};

}  // namespace

std::optional<DType> dtype_of_ggml(uint32_t id) {
  for (const GgmlType& row : kTypes)
    if (row.id == id) return row.dtype;
  return std::nullopt;
}

std::optional<uint32_t> ggml_id(DType dtype) {
  for (const GgmlType& row : kTypes)
    if (row.dtype == dtype) return row.id;
  return std::nullopt;
}

std::string describe_unusable_ggml_type(uint32_t id) {
  STKIT_CHECK(!dtype_of_ggml(id));
  for (const UnusableType& row : kUnusable)
    if (row.id == id) return fmt::format("type {} ({}), {}", id, row.name, row.reason);
  return fmt::format("type {}, which stkit does not know", id);
}

}  // namespace stkit
