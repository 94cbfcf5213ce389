// How much each input column of a weight matters, for the weights of one model.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "formats/imatrix_reader.h"
#include "stkit/error.h"
#include "stkit/quantize.h"

namespace stkit {

// True where encoding makes use of it.
bool uses_importance(DType type);

class Importance {
 public:
  // None.
  Importance() = default;

  static Result<Importance> open(const std::string& path);

  bool is_given() const { return file_ != nullptr; }
  const Imatrix& file() const { return *file_; }

  // A weight for each column of each matrix of the tensor; empty without an entry. Corrupt when the
  // entry is for another shape.
  Result<std::span<const float>> of(const QuantizePlan::Tensor& tensor) const;

 private:
  std::string path_;
  std::unique_ptr<const Imatrix> file_;
};

}  // namespace stkit
