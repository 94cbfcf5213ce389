#include "formats/torch_types.h"

#include <algorithm>

namespace stkit {
namespace {

constexpr TorchType kTypes[] = {
    {"float32", "FloatStorage", DType::F32, 4, 4},
    {"float64", "DoubleStorage", DType::F64, 8, 8},
    {"float16", "HalfStorage", DType::F16, 2, 2},
    {"bfloat16", "BFloat16Storage", DType::BF16, 2, 2},
    {"int64", "LongStorage", DType::I64, 8, 8},
    {"int32", "IntStorage", DType::I32, 4, 4},
    {"int16", "ShortStorage", DType::I16, 2, 2},
    {"int8", "CharStorage", DType::I8, 1, 1},
    {"uint8", "ByteStorage", DType::U8, 1, 1},
    {"bool", "BoolStorage", DType::BOOL, 1, 1},
    {"complex64", "ComplexFloatStorage", DType::C64, 8, 4},
    {"complex128", "ComplexDoubleStorage", std::nullopt, 16, 8},
    {"qint8", "QInt8Storage", std::nullopt, 1, 1},
    {"quint8", "QUInt8Storage", std::nullopt, 1, 1},
    {"qint32", "QInt32Storage", std::nullopt, 4, 4},
    {"quint4x2", "QUInt4x2Storage", std::nullopt, 1, 1},
    {"quint2x4", "QUInt2x4Storage", std::nullopt, 1, 1},
    {"uint16", "", DType::U16, 2, 2},
    {"uint32", "", DType::U32, 4, 4},
    {"uint64", "", DType::U64, 8, 8},
    {"float8_e4m3fn", "", DType::F8_E4M3, 1, 1},
    {"float8_e5m2", "", DType::F8_E5M2, 1, 1},
    {"float8_e4m3fnuz", "", DType::F8_E4M3FNUZ, 1, 1},
    {"float8_e5m2fnuz", "", DType::F8_E5M2FNUZ, 1, 1},
    {"float8_e8m0fnu", "", DType::F8_E8M0, 1, 1},
    {"float4_e2m1fn_x2", "", DType::F4, 1, 1},
    {"complex32", "", std::nullopt, 4, 2},
    // The bytes alone, whatever they are of.
    {"", "UntypedStorage", std::nullopt, 1, 1},
};

const TorchType* find(std::string_view name, std::string_view TorchType::* field) {
  if (name.empty()) return nullptr;
  const auto found = std::ranges::find(kTypes, name, field);
  return found == std::end(kTypes) ? nullptr : found;
}

}  // namespace

const TorchType* find_torch_dtype(std::string_view name) { return find(name, &TorchType::name); }

const TorchType* find_torch_storage(std::string_view name) {
  return find(name.starts_with('_') ? name.substr(1) : name, &TorchType::storage);
}

const TorchType* find_torch_type(DType dtype) {
  const auto found = std::ranges::find(kTypes, std::optional(dtype), &TorchType::dtype);
  return found == std::end(kTypes) ? nullptr : found;
}

}  // namespace stkit
