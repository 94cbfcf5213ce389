// What the generations of Gemma share.
#pragma once

#include "gguf_export/architecture.h"

namespace stkit::gguf_export {

extern const std::span<const KeyRow> kGemmaKeys;
extern const std::span<const TensorRow> kSandwichNormRows;  // norms before and behind both halves

}  // namespace stkit::gguf_export
