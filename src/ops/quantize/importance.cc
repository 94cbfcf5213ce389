#include "ops/quantize/importance.h"

namespace stkit {

bool uses_importance(DType type) {
  return info(type).kind == DTypeKind::GgmlBlock && type != DType::Q8_0 && type != DType::MXFP4;
}

Result<Importance> Importance::open(const std::string& path) {
  Importance importance;
  importance.path_ = path;
  STKIT_ASSIGN(const std::unique_ptr<RandomAccessFile> file, open_local_file(path));
  STKIT_ASSIGN(Imatrix imatrix, read_imatrix(*file));
  importance.file_ = std::make_unique<const Imatrix>(std::move(imatrix));
  return importance;
}

Result<std::span<const float>> Importance::of(const QuantizePlan::Tensor& tensor) const {
  const ImatrixEntry* entry = is_given() ? file_->find(tensor.name) : nullptr;
  if (entry == nullptr || !uses_importance(tensor.to)) return std::span<const float>();
  const uint64_t columns = tensor.shape.empty() ? 1 : tensor.shape.back();
  const uint64_t rows = tensor.shape.size() < 2 ? 1 : tensor.shape[tensor.shape.size() - 2];
  auto values = entry->values_for(tensor.element_count / columns / rows, columns);
  if (!values) return fail(std::move(values).error().at(path_));
  return *values;
}

}  // namespace stkit
