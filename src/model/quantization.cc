// How weights that are quantized already give themselves away.
#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "model/config.h"
#include "model/profile.h"
#include "stkit/text.h"

namespace stkit {
namespace {

std::string text_field(const JsonValue& object, std::string_view key) {
  const JsonValue* value = object.find(key);
  return value == nullptr ? std::string() : lower_case(value->as_string().value_or(""));
}

bool is_true(const JsonValue& object, std::string_view key) {
  const JsonValue* value = object.find(key);
  return value != nullptr && value->as_bool().value_or(false);
}

std::string by_config(const JsonValue& json) {
  for (const std::string_view key : {"quantization_config", "compression_config"}) {
    const JsonValue* quantization = config_field(json, key);
    if (quantization == nullptr || quantization->type() != JsonType::Object) continue;
    if (std::string method = text_field(*quantization, "quant_method"); !method.empty())
      return method;
    if (is_true(*quantization, "load_in_4bit") || is_true(*quantization, "load_in_8bit"))
      return "bitsandbytes";
    if (std::string algorithm = text_field(*quantization, "quant_algo"); !algorithm.empty())
      return algorithm;
  }
  // What mlx-lm writes: {"group_size": 64, "bits": 4}.
  if (const JsonValue* mlx = json.find("quantization"))
    if (const JsonValue* bits = mlx->find("bits"))
      if (const auto number = bits->as_uint()) return "mlx-" + std::to_string(*number) + "bit";
  return {};
}

// Older tools kept it in a file of its own.
std::string by_companion(const Model& model) {
  const auto parsed = [&](std::string_view name) -> std::optional<JsonValue> {
    const Result<std::string> text = model.read_companion(name);
    if (!text) return std::nullopt;
    Result<JsonValue> json = JsonValue::parse(*text);
    return json ? std::optional(std::move(*json)) : std::nullopt;
  };
  if (const auto json = parsed("hf_quant_config.json"))  // NVIDIA ModelOpt
    if (const JsonValue* quantization = json->find("quantization"))
      if (std::string algorithm = text_field(*quantization, "quant_algo"); !algorithm.empty())
        return algorithm;
  if (const auto json = parsed("quantize_config.json"); json && json->find("bits") != nullptr)
    return "gptq";
  if (const auto json = parsed("quant_config.json"); json && json->find("w_bit") != nullptr)
    return "awq";
  return {};
}

// A tensor that only one method has, by its name and, where the name alone is not enough, its type.
struct TensorSign {
  std::string_view ending;
  std::optional<DType> dtype;
  std::string_view method;
};
constexpr TensorSign kTensorSigns[] = {
    {"uqff.version.major", std::nullopt, "uqff"},
    {".weight_packed", std::nullopt, "compressed-tensors"},
    {".weight_scale_2", std::nullopt, "nvfp4"},
    {".weight_scale_inv", std::nullopt, "fp8"},
    {".weight.absmax", std::nullopt, "bitsandbytes"},
    {".SCB", std::nullopt, "bitsandbytes"},
    {"_blocks", DType::U8, "mxfp4"},
    {".g_idx", DType::I32, "gptq"},
};

// Both pack eight 4-bit values into an I32: GPTQ along the inputs, so that the outputs still agree
// with those of the scales; AWQ along the outputs.
std::string_view gptq_or_awq(const Model& model, const TensorInfo& qweight) {
  constexpr std::string_view kEnding = ".qweight";
  std::string scales_name(qweight.name.substr(0, qweight.name.size() - kEnding.size()));
  const TensorInfo* scales = model.find(scales_name += ".scales");
  if (scales == nullptr || scales->shape.size() != 2 || qweight.shape.size() != 2) return "gptq";
  return qweight.shape[1] == scales->shape[1] ? "gptq" : "awq";
}

// A packed matrix whose scales and offsets lie beside it, as MLX stores it.
bool is_mlx(const Model& model, const TensorInfo& weight) {
  constexpr std::string_view kEnding = ".weight";
  if (weight.dtype != DType::U32 || !weight.name.ends_with(kEnding)) return false;
  const std::string stem(weight.name.substr(0, weight.name.size() - kEnding.size()));
  return model.find(stem + ".scales") != nullptr && model.find(stem + ".biases") != nullptr;
}

bool is_fp8_matrix(const TensorInfo& tensor) {
  return tensor.shape.size() >= 2 &&
         (tensor.dtype == DType::F8_E4M3 || tensor.dtype == DType::F8_E5M2 ||
          tensor.dtype == DType::F8_E4M3FNUZ || tensor.dtype == DType::F8_E5M2FNUZ);
}

std::string by_tensors(const Model& model) {
  bool has_fp8 = false;
  const TensorInfo* packed = nullptr;
  const TensorSign* best = std::end(kTensorSigns);
  for (const TensorInfo& tensor : model.tensors()) {
    best = std::find_if(std::begin(kTensorSigns), best, [&](const TensorSign& sign) {
      return tensor.name.ends_with(sign.ending) && (!sign.dtype || *sign.dtype == tensor.dtype);
    });
    if (packed == nullptr && ((tensor.dtype == DType::I32 && tensor.name.ends_with(".qweight")) ||
                              is_mlx(model, tensor)))
      packed = &tensor;
    has_fp8 |= is_fp8_matrix(tensor);
  }
  if (best != std::end(kTensorSigns)) return std::string(best->method);
  if (packed != nullptr)
    return packed->dtype == DType::U32 ? "mlx" : std::string(gptq_or_awq(model, *packed));
  return has_fp8 ? "fp8" : "";
}

// The type of the most weights, if it is one of blocks.
std::string by_blocks(const Model& model) {
  std::map<DType, uint64_t> weights;
  for (const TensorInfo& tensor : model.tensors()) weights[tensor.dtype] += tensor.element_count;
  const auto most =
      std::ranges::max_element(weights, {}, [](const auto& row) { return row.second; });
  const bool blocks = most != weights.end() && info(most->first).kind == DTypeKind::GgmlBlock;
  return blocks ? lower_case(name(most->first)) : std::string();
}

}  // namespace

std::string find_quantization(const Model& model) {
  if (model.format() == FileFormat::Gguf) return by_blocks(model);
  if (const JsonValue* json = config(model))
    if (std::string method = by_config(*json); !method.empty()) return method;
  if (const auto said = model.metadata().find("quantization"); said != model.metadata().end())
    return lower_case(said->second);  // what `quantize --target safetensors` writes
  if (std::string method = by_companion(model); !method.empty()) return method;
  return by_tensors(model);
}

}  // namespace stkit
