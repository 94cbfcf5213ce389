#include "ops/validate/quantization.h"

#include <algorithm>

namespace stkit {
namespace {

enum class Trace : uint8_t { Suffix, Substring, AnyDType };

struct Row {
  std::string_view method;  // quant_method
  Trace trace;
  std::string_view text;
  DType dtype = DType::U8;  // for AnyDType
  bool unmistakable = false;  // seen in no plain model
};

// Several rows of one method are alternatives.
constexpr Row kRows[] = {
    {"gptq", Trace::Suffix, ".qweight", DType::U8, true},
    {"awq", Trace::Suffix, ".qweight", DType::U8, false},
    {"compressed-tensors", Trace::Suffix, ".weight_packed", DType::U8, true},
    {"compressed-tensors", Trace::Suffix, ".weight_scale", DType::U8, false},
    {"compressed-tensors", Trace::Suffix, "_packed", DType::U8, false},
    {"compressed-tensors", Trace::Suffix, ".bitmask", DType::U8, false},
    {"fp8", Trace::Suffix, ".weight_scale_inv", DType::U8, true},
    {"fp8", Trace::AnyDType, {}, DType::F8_E4M3, false},
    {"fp8", Trace::AnyDType, {}, DType::F8_E5M2, false},
    {"fbgemm_fp8", Trace::AnyDType, {}, DType::F8_E4M3, false},
    {"bitsandbytes", Trace::Substring, ".quant_state.bitsandbytes__", DType::U8, true},
    {"bitsandbytes", Trace::Suffix, ".absmax", DType::U8, false},
    {"bitsandbytes", Trace::Suffix, ".SCB", DType::U8, false},
    {"mxfp4", Trace::Suffix, "_blocks", DType::U8, false},
    {"mlx", Trace::Suffix, ".scales", DType::U8, false},
};

bool matches(const Row& row, const NamePattern& pattern) {
  switch (row.trace) {
    case Trace::Suffix: return pattern.text.ends_with(row.text);
    case Trace::Substring: return pattern.text.find(row.text) != std::string::npos;
    case Trace::AnyDType: return false;
  }
  return false;
}

bool holds(const Row& row, const NameTable& names, std::span<const TensorInfo> tensors) {
  if (row.trace == Trace::AnyDType)
    return std::ranges::find(tensors, row.dtype, &TensorInfo::dtype) != tensors.end();
  return std::ranges::any_of(names.patterns(),
                             [&](const NamePattern& pattern) { return matches(row, pattern); });
}

constexpr std::string_view kSideTensors[] = {
    "weight_scale", "weight_scale_inv", "weight_scale_2", "input_scale", "output_scale",
    "k_scale",      "v_scale",          "q_scale",        "scales",      "biases",
    "zeros",        "qzeros",           "g_idx",          "absmax",      "quant_map",
    "nested_absmax", "nested_quant_map", "SCB",           "weight_shape", "weight_zero_point",
    "weight_g_idx", "weight_global_scale", "input_global_scale", "scaled_fp8",
};

}  // namespace

QuantizationEvidence find_quantization(const NameTable& names,
                                       std::span<const TensorInfo> tensors) {
  for (const Row& row : kRows) {
    if (!row.unmistakable) continue;
    for (const NamePattern& pattern : names.patterns())
      if (matches(row, pattern)) return {std::string(row.method), pattern.text};
  }
  // MLX packs a plain name: only its dtype tells.
  for (const TensorInfo& tensor : tensors) {
    if (tensor.dtype != DType::U32 || !tensor.name.ends_with(".weight")) continue;
    const auto& scales = names.patterns();
    if (std::ranges::any_of(scales, [](const NamePattern& p) { return p.text.ends_with(".scales"); }))
      return {"mlx", std::string(tensor.name)};
    break;
  }
  return {};
}

std::string_view quantization_method(const JsonValue& quantization) {
  if (const JsonValue* method = quantization.find("quant_method"))
    return method->as_string().value_or("");
  const bool mlx = quantization.find("group_size") != nullptr && quantization.find("bits") != nullptr;
  return mlx ? "mlx" : "";
}

bool has_quantization(std::string_view method, const NameTable& names,
                      std::span<const TensorInfo> tensors) {
  bool known = false;
  for (const Row& row : kRows) {
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
