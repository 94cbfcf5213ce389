#include "ops/quantize/fit_types.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include "base/parallel.h"
#include "kernels/convert.h"
#include "kernels/decode.h"
#include "kernels/encode.h"
#include "ops/quantize/export_input.h"
#include "quant/fit.h"
#include "quant/types.h"
#include "stkit/text.h"

namespace stkit {
namespace {

// Of each tensor: enough that the choice does not hang on the rows that were taken, little enough
// that a model of 7 billion weights is sampled in a second.
constexpr uint64_t kSampleElements = uint64_t{64} << 10;

constexpr DType kSuperBlockTypes[] = {DType::Q2_K, DType::Q3_K, DType::Q4_K,
                                      DType::Q5_K, DType::Q6_K, DType::Q8_0};
// For rows that are not whole super-blocks.
constexpr DType kSmallBlockTypes[] = {DType::Q4_0, DType::Q5_0, DType::Q8_0};

std::span<const DType> candidates_for(uint64_t columns) {
  if (columns % info(DType::Q4_K).block_elements == 0) return kSuperBlockTypes;
  return kSmallBlockTypes;
}

bool is_free(const QuantizePlan::Tensor& tensor) {
  // A rule that is an option is named by it.
  return tensor.element_count > 0 && info(tensor.from).kind == DTypeKind::Float &&
         info(tensor.to).kind == DTypeKind::GgmlBlock && !tensor.rule.starts_with("--");
}

// The rows of a tensor that its types are tried on, as numbers.
class Sample {
 public:
  static Result<Sample> read(const Model& model, const TensorInput& input,
                             const QuantizePlan::Tensor& tensor,
                             std::span<const float> importance) {
    Sample sample;
    sample.columns_ = static_cast<size_t>(tensor.shape.back());
    const uint64_t rows = tensor.element_count / tensor.shape.back();
    const uint64_t rows_a_matrix =
        tensor.shape.size() < 2 ? 1 : tensor.shape[tensor.shape.size() - 2];
    const uint64_t count = std::clamp<uint64_t>(kSampleElements / tensor.shape.back(), 1, rows);
    std::unique_ptr<const ElementInput> computed;
    if (input.tensor == nullptr) {
      STKIT_ASSIGN(computed, open_export_input(model, input));
    }
    const auto row_bytes = storage_bytes(input.dtype, tensor.shape.back());
    std::vector<std::byte> bytes(static_cast<size_t>(row_bytes.value_or(0)));
    std::vector<float> values(sample.columns_);
    for (uint64_t i = 0; i < count; ++i) {
      const uint64_t row = (2 * i + 1) * rows / (2 * count);
      const uint64_t first = row * tensor.shape.back();
      STKIT_TRY(computed == nullptr ? model.read(*input.tensor, first, tensor.shape.back(), bytes)
                                    : computed->read(first, tensor.shape.back(), bytes));
      kernels::to_float(input.dtype, bytes, values);
      // What is not finite is dealt with when the weights are quantized.
      if (!std::ranges::all_of(values, [](float value) { return std::isfinite(value); })) continue;
      sample.values_.insert(sample.values_.end(), values.begin(), values.end());
      if (!importance.empty())
        sample.importance_.push_back(importance.subspan(
            static_cast<size_t>(row / rows_a_matrix) * sample.columns_, sample.columns_));
    }
    return sample;
  }

  // The squared error against the squares of the weights.
  double relative_error(DType type) const {
    std::vector<std::byte> blocks(static_cast<size_t>(storage_bytes(type, columns_).value_or(0)));
    std::vector<float> decoded(columns_);
    double error = 0, squares = 0;
    for (size_t i = 0; i * columns_ < values_.size(); ++i) {
      const auto row = std::span(values_).subspan(i * columns_, columns_);
      const auto importance = importance_.empty() ? std::span<const float>() : importance_[i];
      kernels::encode_rows(type, row, columns_,
                           uses_importance(type) ? importance : std::span<const float>(), blocks);
      kernels::decode_blocks(type, blocks, decoded);
      for (size_t c = 0; c < columns_; ++c) {
        const double weight = importance.empty() ? 1.0 : importance[c];
        const double x = row[c], d = x - decoded[c];
        error += weight * d * d;
        squares += weight * x * x;
      }
    }
    return squares > 0 && std::isfinite(error) ? error / squares : 0;
  }

 private:
  size_t columns_ = 0;
  std::vector<float> values_;
  std::vector<std::span<const float>> importance_;  // by row; empty without
};

// Containers align tensors, so a smaller tensor may not make a smaller file.
constexpr uint64_t kAlignment = 32;
uint64_t bytes_in_file(DType type, uint64_t elements) {
  const uint64_t bytes = storage_bytes(type, elements).value_or(0);
  return bytes + (kAlignment - bytes % kAlignment) % kAlignment;
}

Result<std::vector<quant::FitCandidate>> measure(const QuantizeContents& rep, size_t index) {
  const QuantizePlan::Tensor& tensor = rep.inputs.tensors[index];
  STKIT_ASSIGN(const auto importance, rep.importance.of(tensor));
  STKIT_ASSIGN(const Sample sample,
               Sample::read(rep.model, rep.inputs.inputs[index], tensor, importance));
  std::vector<quant::FitCandidate> candidates;
  for (const DType type : candidates_for(tensor.shape.back()))
    candidates.push_back({bytes_in_file(type, tensor.element_count),
                          sample.relative_error(type) * static_cast<double>(tensor.element_count)});
  return candidates;
}

void take(DType type, QuantizePlan::Tensor& tensor) {
  tensor.to = type;
  tensor.instead_of.reset();
  tensor.rule = "--fit";
}

std::unexpected<Error> too_small(uint64_t size_bytes, uint64_t smallest) {
  return fail(ErrorCode::Usage,
              fmt::format("no mix of types fits {} bytes: the smallest takes {}",
                          format_grouped(size_bytes), format_grouped(smallest)),
              fmt::format("--fit {} or more", smallest));
}

}  // namespace

Result<void> fit_types(uint64_t size_bytes, QuantizeContents& rep,
                       FunctionRef<Result<uint64_t>()> lay_out) {
  std::vector<QuantizePlan::Tensor>& tensors = rep.inputs.tensors;
  std::vector<size_t> free;
  uint64_t smallest = 0;
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (!is_free(tensors[i])) continue;
    free.push_back(i);
    take(candidates_for(tensors[i].shape.back()).front(), tensors[i]);
    smallest += bytes_in_file(tensors[i].to, tensors[i].element_count);
  }
  STKIT_ASSIGN(const uint64_t least, lay_out());
  if (least > size_bytes) return too_small(size_bytes, least);

  std::vector<std::vector<quant::FitCandidate>> candidates(free.size());
  STKIT_TRY(
      parallel_for(free.size(), usable_cores(), nullptr, [&](size_t i, unsigned) -> Result<void> {
        STKIT_ASSIGN(candidates[i], measure(rep, free[i]));
        return {};
      }));
  // What is laid out besides the tensors may grow with them: offsets in the header of safetensors.
  for (uint64_t budget = smallest + (size_bytes - least);;) {
    const auto choice = quant::fit_to_size(candidates, budget);
    if (!choice) return too_small(size_bytes, least);
    for (size_t i = 0; i < free.size(); ++i) {
      QuantizePlan::Tensor& tensor = tensors[free[i]];
      take(candidates_for(tensor.shape.back())[(*choice)[i]], tensor);
    }
    STKIT_ASSIGN(const uint64_t bytes, lay_out());
    if (bytes <= size_bytes) return {};
    budget -= std::min(budget, bytes - size_bytes);
  }
}

uint32_t file_type_of_most(const QuantizeInputs& inputs) {
  uint64_t most = 0;
  uint32_t file_type = 0;
  for (const quant::QuantType& type : quant::types()) {
    uint64_t weights = 0;
    for (const QuantizePlan::Tensor& tensor : inputs.tensors)
      if (tensor.to == type.dtype) weights += tensor.element_count;
    if (weights <= most) continue;
    most = weights;
    file_type = type.file_type;
  }
  return file_type;
}

}  // namespace stkit
