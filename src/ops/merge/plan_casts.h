// Which tensors get another dtype.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/glob.h"
#include "stkit/error.h"
#include "stkit/merge.h"
#include "stkit/model.h"

namespace stkit {

class CastRules {
 public:
  // Usage when options.dtype is none of cast_targets().
  static Result<CastRules> make(const Model& model, const MergeOptions& options);

  // What the tensor's dtype is in the output. Integers, bools, complex numbers and floats of fewer
  // than 8 bits stay; so do, in quantized models, scales and the codes that they belong to. What
  // was `decoded` from blocks becomes F16, as their scales are, unless another dtype is asked for.
  DType output_dtype(const TensorInfo& tensor, bool decoded);

  // What was kept that the user may not expect, and patterns that were of no use.
  void add_warnings(std::vector<std::string>& warnings) const;

 private:
  CastRules(const Model& model, const MergeOptions& options);

  const MergeOptions& options_;
  std::vector<Glob> keep_;
  std::vector<bool> keep_used_;
  std::string quantization_;  // empty for plain weights
  uint64_t quantized_kept_ = 0;
};

}  // namespace stkit
