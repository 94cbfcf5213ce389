// Quantized types as users name them, and what stands in for each where it cannot be used.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "stkit/dtype.h"
#include "stkit/tensor.h"

namespace stkit::quant {

struct QuantType {
  std::string_view isq;  // as --isq and the engines that quantize in place name it: "q4k"
  DType dtype;
  DType fallback;      // for rows that are not whole blocks, as llama.cpp falls back
  uint32_t file_type;  // general.file_type of a GGUF file of this type throughout
};

// Every type that has an ISQ name once, from the fewest bits to the most.
std::span<const QuantType> types();

// "q4k", "Q4_K", "q4_k": any case, with or without underscores. Null when unknown.
const QuantType* find_type(std::string_view name);

// What rows of `row_elements` become: the type itself, its fallback where only that one's blocks
// divide a row, else F16.
DType type_of_rows(const QuantType& type, uint64_t row_elements);

}  // namespace stkit::quant
