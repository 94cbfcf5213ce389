#include "quant/estimate.h"

#include <limits>
#include <string_view>

#include "base/checked_math.h"

namespace stkit::quant {
namespace {

size_t dimensions(Shape shape) {
  size_t leading = 0;
  while (leading < shape.size() && shape[leading] == 1) ++leading;
  return shape.size() - leading;
}

// "model.layers.0.input_layernorm.weight": the module that the parameter belongs to is a norm.
bool is_norm(std::string_view tensor) {
  const std::string_view module = tensor.substr(0, tensor.rfind('.'));
  const size_t dot = module.rfind('.');
  const std::string_view last = dot == module.npos ? module : module.substr(dot + 1);
  return last.find("norm") != last.npos || last.starts_with("ln_");
}

}  // namespace

TensorRole role_of(const TensorInfo& tensor) {
  if (dimensions(tensor.shape) < 2 || is_norm(tensor.name)) return TensorRole::Vector;
  return tensor.name.ends_with("weight") ? TensorRole::Matrix : TensorRole::Other;
}

bool is_plain_float(DType dtype) {
  return dtype == DType::F16 || dtype == DType::BF16 || dtype == DType::F32 || dtype == DType::F64;
}

DType isq_type(const TensorInfo& tensor, const QuantType& type) {
  if (!is_plain_float(tensor.dtype)) return tensor.dtype;
  switch (role_of(tensor)) {
    case TensorRole::Matrix: return type_of_rows(type, tensor.shape.back());
    case TensorRole::Vector: return DType::F32;
    case TensorRole::Other: break;
  }
  return tensor.dtype;
}

uint64_t estimate_bytes(std::span<const TensorInfo> tensors, const QuantType& type) {
  constexpr uint64_t kMost = std::numeric_limits<uint64_t>::max();
  uint64_t total = 0;
  for (const TensorInfo& tensor : tensors) {
    const DType dtype = isq_type(tensor, type);
    const uint64_t bytes = dtype == tensor.dtype
                               ? tensor.size_bytes
                               : storage_bytes(dtype, tensor.element_count).value_or(kMost);
    total = checked_add(total, bytes).value_or(kMost);
  }
  return total;
}

}  // namespace stkit::quant
