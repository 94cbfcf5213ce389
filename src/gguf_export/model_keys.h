// The numbers of a model under the keys that llama.cpp reads.
#pragma once

#include "gguf_export/architecture.h"
#include "gguf_export/metadata_builder.h"
#include "stkit/error.h"

namespace stkit::gguf_export {

// Corrupt when config.json lacks a number that every loader needs, or one is out of range.
Result<void> add_model_keys(const Architecture& architecture, const HyperParameters& config,
                            MetadataBuilder& out);

}  // namespace stkit::gguf_export
