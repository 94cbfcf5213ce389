#include "gguf_export/prequantized.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "formats/finding_log.h"
#include "model/profile.h"

namespace stkit::gguf_export {
namespace {

// Kinds whose weights are 8-bit floats with scales, or may be: then every tensor is looked at. And
// 4-bit blocks, which GGUF has, too, where the architecture has rows for them.
constexpr std::string_view kReadable[] = {"", "fp8", "fbgemm_fp8", "compressed-tensors", "mxfp4"};

struct Kind {
  std::string_view method;
  std::string_view text;
};
constexpr Kind kKinds[] = {
    {"gptq", "4-bit integers of GPTQ"},
    {"awq", "4-bit integers of AWQ"},
    {"bitsandbytes", "4- or 8-bit weights of bitsandbytes"},
    {"nvfp4", "4-bit blocks of ModelOpt (NVFP4)"},
    {"uqff", "a UQFF file"},
    {"mlx", "integers of MLX"},
};

constexpr std::string_view kOriginalWanted =
    "quantizing them again would lose twice: take the original model that they were made from";

constexpr std::string_view kScaleEndings[] = {"_scale_inv", "_scale"};
constexpr std::string_view kIgnoredEndings[] = {".input_scale", ".activation_scale", ".k_scale",
                                                ".v_scale", ".output_scale"};

bool is_plain(DType dtype) {
  return dtype == DType::F16 || dtype == DType::BF16 || dtype == DType::F32 || dtype == DType::F64;
}
bool is_float8(DType dtype) { return dtype == DType::F8_E4M3 || dtype == DType::F8_E5M2; }

uint64_t blocks(uint64_t count, uint64_t size) { return count / size + (count % size != 0); }

// weight_block_size of the quantization configuration, or what every model has.
std::pair<uint64_t, uint64_t> block_size(const HyperParameters& config) {
  constexpr uint64_t kUsual = 128;
  if (const JsonValue* quantization = config.field("quantization_config"))
    if (const JsonValue* size = quantization->find("weight_block_size");
        size != nullptr && size->elements().size() == 2) {
      const auto rows = size->elements()[0].as_uint(), columns = size->elements()[1].as_uint();
      if (rows && columns && *rows > 0 && *columns > 0) return {*rows, *columns};
    }
  return {kUsual, kUsual};
}

}  // namespace

Result<void> check_exportable(const Model& model) {
  const std::string method = find_quantization(model);
  if (std::ranges::find(kReadable, method) != std::end(kReadable)) return {};
  const auto known = std::ranges::find(kKinds, method, &Kind::method);
  return fail(
      ErrorCode::Unsupported,
      known != std::end(kKinds)
          ? fmt::format("the weights are quantized already: {}", known->text)
          : fmt::format("the weights are quantized already, by the method {}", quoted_name(method)),
      std::string(kOriginalWanted), model.reference());
}

bool is_scale_tensor(const Model& model, const TensorInfo& tensor) {
  for (const std::string_view ending : kIgnoredEndings)
    if (tensor.name.ends_with(ending)) return true;
  for (const std::string_view ending : kScaleEndings)
    if (tensor.name.ends_with(ending)) {
      const TensorInfo* weight =
          model.find(tensor.name.substr(0, tensor.name.size() - ending.size()));
      if (weight != nullptr && is_float8(weight->dtype)) return true;
    }
  return false;
}

Result<std::optional<BlockScale>> find_scale(const Model& model, const TensorInfo& tensor,
                                             const HyperParameters& config) {
  if (is_plain(tensor.dtype)) return std::nullopt;
  if (!is_float8(tensor.dtype))
    return fail(ErrorCode::Unsupported,
                fmt::format("tensor {} is of type {}, which is no plain float",
                            quoted_name(tensor.name), name(tensor.dtype)),
                std::string(kOriginalWanted));
  const TensorInfo* scale = nullptr;
  for (const std::string_view ending : kScaleEndings)
    if (scale == nullptr) scale = model.find(std::string(tensor.name).append(ending));
  if (scale == nullptr)
    return fail(ErrorCode::Corrupt,
                fmt::format("tensor {} is of type {}, but there are no scales for it",
                            quoted_name(tensor.name), name(tensor.dtype)));
  if (tensor.element_count == 0) return std::nullopt;

  const uint64_t columns = tensor.shape.back(), rows = tensor.element_count / columns;
  BlockScale found{static_cast<uint32_t>(scale - model.tensors().data()), columns, rows, columns};
  if (scale->element_count == 1) return found;
  if (scale->element_count == rows) {
    found.block_rows = 1;
    return found;
  }
  const auto [block_rows, block_columns] = block_size(config);
  // Of a stack, each matrix has blocks of its own.
  const uint64_t matrix_rows =
      tensor.shape.size() < 2 ? rows : tensor.shape[tensor.shape.size() - 2];
  const bool aligned = matrix_rows == rows || matrix_rows % block_rows == 0;
  if (!is_plain(scale->dtype) && scale->dtype != DType::F8_E8M0) scale = nullptr;
  if (scale == nullptr || !aligned ||
      scale->element_count != blocks(rows, block_rows) * blocks(columns, block_columns))
    return fail(ErrorCode::Corrupt,
                fmt::format("the scales of tensor {} do not fit blocks of {} x {}",
                            quoted_name(tensor.name), block_rows, block_columns));
  found.block_rows = block_rows;
  found.block_columns = block_columns;
  return found;
}

}  // namespace stkit::gguf_export
