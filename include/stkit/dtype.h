// Element types: one table, from which parsing, sizes, JSON and tests are driven.
//
// Elements are stored in blocks: `block_elements` of them take `block_bytes`. An ordinary type has
// blocks of one element; F4 packs two into a byte and F6 four into three; a GGML type has blocks of
// 32 to 256. A tensor holds a whole number of blocks.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "stkit/error.h"

namespace stkit {

// The first 22 are the safetensors types in that library's alignment order, which its writer sorts
// by, so the order of the enumerators is part of the output bytes.
enum class DType : uint8_t {
  BOOL, F4, F6_E2M3, F6_E3M2, U8, I8, F8_E5M2, F8_E4M3, F8_E8M0, F8_E4M3FNUZ, F8_E5M2FNUZ,
  I16, U16, F16, BF16, I32, U32, F32, C64, F64, I64, U64,
  Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, IQ4_NL, IQ4_XS, MXFP4,
  // What GGUF files hold besides; known by name and size, not decoded.
  IQ1_S, IQ1_M, IQ2_XXS, IQ2_XS, IQ2_S, IQ3_XXS, IQ3_S, TQ1_0, TQ2_0, NVFP4, Q1_0, Q2_0,
};

enum class DTypeKind : uint8_t { Bool, Signed, Unsigned, Float, Complex, GgmlBlock };

struct DTypeInfo {
  DType dtype;
  std::string_view name;
  DTypeKind kind;
  uint16_t block_elements;
  uint16_t block_bytes;

  // Bits of one element; fractional for GGML types, whose blocks carry scales.
  double bits() const { return 8.0 * block_bytes / block_elements; }
  bool in_safetensors() const { return kind != DTypeKind::GgmlBlock; }
};

// Every dtype once, in the order of the enum.
std::span<const DTypeInfo> dtypes();
const DTypeInfo& info(DType dtype);

inline std::string_view name(DType dtype) { return info(dtype).name; }

// Names are case-sensitive, as in the safetensors format. Nothing when unknown.
std::optional<DType> parse_dtype(std::string_view name);

// Bytes that `elements` take. Fails on overflow and on a number that is not whole blocks.
Result<uint64_t> storage_bytes(DType dtype, uint64_t elements);

}  // namespace stkit
