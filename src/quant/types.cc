#include "quant/types.h"

#include "base/ascii.h"

namespace stkit::quant {
namespace {

// A type of 32-element blocks has nothing smaller to fall back to but F16.
constexpr QuantType kTypes[] = {
    {"q2k", DType::Q2_K, DType::Q4_0, 10},     {"q3k", DType::Q3_K, DType::Q4_0, 11},
    {"mxfp4", DType::MXFP4, DType::F16, 38},   {"iq4_xs", DType::IQ4_XS, DType::IQ4_NL, 30},
    {"iq4_nl", DType::IQ4_NL, DType::F16, 25}, {"q4_0", DType::Q4_0, DType::F16, 2},
    {"q4k", DType::Q4_K, DType::Q5_0, 14},     {"q4_1", DType::Q4_1, DType::F16, 3},
    {"q5_0", DType::Q5_0, DType::F16, 8},      {"q5k", DType::Q5_K, DType::Q5_1, 16},
    {"q5_1", DType::Q5_1, DType::F16, 9},      {"q6k", DType::Q6_K, DType::Q8_0, 18},
    {"q8_0", DType::Q8_0, DType::F16, 7},
};

bool same_name(std::string_view a, std::string_view b) {
  size_t i = 0, j = 0;
  while (true) {
    while (i < a.size() && a[i] == '_') ++i;
    while (j < b.size() && b[j] == '_') ++j;
    if (i == a.size() || j == b.size()) return i == a.size() && j == b.size();
    if (ascii::to_lower(a[i++]) != ascii::to_lower(b[j++])) return false;
  }
}

}  // namespace

std::span<const QuantType> types() { return kTypes; }

const QuantType* find_type(std::string_view name) {
  for (const QuantType& type : kTypes)
    if (same_name(type.isq, name)) return &type;
  return nullptr;
}

DType type_of_rows(const QuantType& type, uint64_t row_elements) {
  for (const DType candidate : {type.dtype, type.fallback})
    if (row_elements % info(candidate).block_elements == 0) return candidate;
  return DType::F16;
}

}  // namespace stkit::quant
