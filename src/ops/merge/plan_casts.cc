#include "ops/merge/plan_casts.h"

#include <fmt/format.h>

#include <algorithm>

#include "kernels/cast.h"
#include "model/profile.h"
#include "stkit/text.h"

namespace stkit {
namespace {

// In the order of the help.
constexpr DType kCastTargets[] = {DType::BF16, DType::F16,     DType::F32,
                                  DType::F64,  DType::F8_E4M3, DType::F8_E5M2};

// What the methods of quantization call the floats that codes are multiplied with or moved by.
constexpr std::string_view kScaleNames =
    "*{.,_}{scale,scales,scale_inv,scale_2,scale_ub,scale_weight,absmax,quant_map,biases,SCB}";

bool is_8_bit_float(DType dtype) {
  return info(dtype).kind == DTypeKind::Float && info(dtype).bits() == 8;
}

}  // namespace

std::span<const DType> cast_targets() { return kCastTargets; }

Result<CastRules> CastRules::make(const Model& model, const MergeOptions& options) {
  if (options.dtype && std::ranges::find(kCastTargets, *options.dtype) == std::end(kCastTargets))
    return fail(ErrorCode::Usage, fmt::format("nothing can be cast to {}", name(*options.dtype)),
                "choose one of bf16, f16, f32, f64, f8_e4m3, f8_e5m2");
  return CastRules(model, options);
}

CastRules::CastRules(const Model& model, const MergeOptions& options) : options_(options) {
  for (const std::string& pattern : options.keep_dtype) keep_.emplace_back(pattern);
  keep_used_.resize(keep_.size());
  if (!options.dtype) return;
  // Without scales 8-bit floats are numbers like any other.
  const Glob scale(kScaleNames);
  if (std::ranges::any_of(model.tensors(),
                          [&](const TensorInfo& tensor) { return scale.matches(tensor.name); }))
    quantization_ = find_quantization(model);
}

DType CastRules::output_dtype(const TensorInfo& tensor, bool decoded) {
  const DType own = decoded ? DType::F16 : tensor.dtype;
  if (!options_.dtype) return own;
  bool keep = false;
  for (size_t i = 0; i < keep_.size(); ++i)
    if (keep_[i].matches(tensor.name)) keep = keep_used_[i] = true;
  if (keep || !kernels::can_cast(tensor.dtype, *options_.dtype)) return own;
  if (!quantization_.empty() &&
      (is_8_bit_float(tensor.dtype) || glob_match(kScaleNames, tensor.name))) {
    ++quantized_kept_;
    return tensor.dtype;
  }
  return *options_.dtype;
}

void CastRules::add_warnings(std::vector<std::string>& warnings) const {
  if (!options_.dtype) return;
  if (quantized_kept_ > 0)
    warnings.push_back(fmt::format(
        "the model is quantized ({}): {} tensors of 8-bit floats and scales keep their dtype",
        printable(quantization_, 40), format_grouped(quantized_kept_)));
  for (size_t i = 0; i < keep_.size(); ++i)
    if (!keep_used_[i])
      warnings.push_back(
          fmt::format("no tensor matches --keep-dtype '{}'", printable(options_.keep_dtype[i])));
}

}  // namespace stkit
