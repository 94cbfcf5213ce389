#include "ops/validate/quantization.h"

#include <algorithm>

namespace stkit {
namespace {

enum class Trace : uint8_t { Suffix, Substring, AnyDType };

struct TraceRow {
  std::string_view method;  // quant_method
  Trace trace;
  std::string_view text;
  DType dtype = DType::U8;  // for AnyDType
};

// Several rows of one method are alternatives.
constexpr TraceRow kTraces[] = {
    {"gptq", Trace::Suffix, ".qweight"},
    {"awq", Trace::Suffix, ".qweight"},
    {"compressed-tensors", Trace::Suffix, ".weight_packed"},
    {"compressed-tensors", Trace::Suffix, ".weight_scale"},
    {"compressed-tensors", Trace::Suffix, "_packed"},
    {"compressed-tensors", Trace::Suffix, ".bitmask"},
    {"fp8", Trace::Suffix, ".weight_scale_inv"},
    {"fp8", Trace::AnyDType, {}, DType::F8_E4M3},
    {"fp8", Trace::AnyDType, {}, DType::F8_E5M2},
    {"fbgemm_fp8", Trace::AnyDType, {}, DType::F8_E4M3},
    {"bitsandbytes", Trace::Substring, ".quant_state.bitsandbytes__"},
    {"bitsandbytes", Trace::Suffix, ".absmax"},
    {"bitsandbytes", Trace::Suffix, ".SCB"},
    {"mxfp4", Trace::Suffix, "_blocks"},
    {"mlx", Trace::Suffix, ".scales"},
};

bool matches(const TraceRow& row, const NamePattern& pattern) {
  switch (row.trace) {
    case Trace::Suffix: return pattern.text.ends_with(row.text);
    case Trace::Substring: return pattern.text.find(row.text) != std::string::npos;
    case Trace::AnyDType: return false;
  }
  return false;
}

bool holds(const TraceRow& row, const NameTable& names, std::span<const TensorInfo> tensors) {
  if (row.trace == Trace::AnyDType)
    return std::ranges::find(tensors, row.dtype, &TensorInfo::dtype) != tensors.end();
  return std::ranges::any_of(names.patterns(),
                             [&](const NamePattern& pattern) { return matches(row, pattern); });
}

constexpr std::string_view kSideTensors[] = {
    "weight_scale",
    "weight_scale_inv",
    "weight_scale_2",
    "input_scale",
    "output_scale",
    "k_scale",
    "v_scale",
    "q_scale",
    "scales",
    "biases",
    "zeros",
    "qzeros",
    "g_idx",
    "absmax",
    "quant_map",
    "nested_absmax",
    "nested_quant_map",
    "SCB",
    "weight_shape",
    "weight_zero_point",
    "weight_g_idx",
    "weight_global_scale",
    "input_global_scale",
    "scaled_fp8",
};

}  // namespace

std::string_view quantization_method(const JsonValue& quantization) {
  if (const JsonValue* method = quantization.find("quant_method"))
    return method->as_string().value_or("");
  const bool mlx =
      quantization.find("group_size") != nullptr && quantization.find("bits") != nullptr;
  return mlx ? "mlx" : "";
}

bool has_quantization(std::string_view method, const NameTable& names,
                      std::span<const TensorInfo> tensors) {
  bool known = false;
  for (const TraceRow& row : kTraces) {
    if (row.method != method) continue;
    if (holds(row, names, tensors)) return true;
    known = true;
  }
  return !known;
}

bool is_quantization_side_tensor(std::string_view last_component) {
  return std::ranges::find(kSideTensors, last_component) != std::end(kSideTensors);
}

}  // namespace stkit
