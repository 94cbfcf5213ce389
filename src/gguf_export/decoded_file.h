// The values of a GGUF tensor as a file of floats: blocks are decoded when they are read.
#pragma once

#include <functional>
#include <memory>

#include "stkit/error.h"
#include "stkit/io.h"
#include "stkit/tensor.h"

namespace stkit::gguf_export {

using OpenFile = std::function<Result<std::shared_ptr<const RandomAccessFile>>()>;

// `tensor` lies in what `open` gives; `shift` is added to each value. Unsupported when its blocks
// cannot be decoded.
Result<std::shared_ptr<const RandomAccessFile>> open_decoded(const TensorInfo& tensor, float shift,
                                                             OpenFile open);

}  // namespace stkit::gguf_export
