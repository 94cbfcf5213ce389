// What each way of rearranging a tensor makes of its shape and its elements.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "gguf_export/architecture.h"
#include "gguf_export/element_source.h"
#include "stkit/error.h"
#include "stkit/tensor.h"

namespace stkit::gguf_export {

struct Arranged {
  std::vector<uint64_t> shape;  // outermost first
  std::vector<Box> boxes;       // one behind the other
};

// Of one input tensor, `index` in Model::tensors(). Corrupt when its shape does not allow it. Stack
// and the packed ones give the tensor as it is: the rest is the caller's.
Result<Arranged> arrange(Arrange how, const TensorInfo& tensor, uint32_t index,
                         const HyperParameters& config);

}  // namespace stkit::gguf_export
