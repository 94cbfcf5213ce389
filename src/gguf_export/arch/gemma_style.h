// What the generations of Gemma share.
#pragma once

#include "gguf_export/architecture.h"

namespace stkit::gguf_export {

extern const std::span<const KeyRow> kGemmaKeys;
// The model's query_pre_attn_scalar is not what llama.cpp scales by, which has no key for it.
std::string query_scale_caveat(const HyperParameters& config);

extern const std::span<const TensorRow> kSandwichNormRows;  // norms before and behind both halves

}  // namespace stkit::gguf_export
