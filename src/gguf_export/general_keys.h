// general.*: what a model is called, how large it is, whose it is, and how it is sampled.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "gguf_export/export_plan.h"
#include "gguf_export/metadata_builder.h"
#include "stkit/model.h"

namespace stkit::gguf_export {

// From the model card, generation_config.json, config.json and the folder's name, in this order.
// Nothing here can fail: a card that cannot be read says nothing. `name` overrides all.
void add_general_keys(const Model& model, std::string_view name,
                      std::span<const ExportTensor> tensors, MetadataBuilder& out);

// "8.0B"; "8x7.2B" for a mixture, whose experts are counted once.
std::string size_label(std::span<const ExportTensor> tensors);

}  // namespace stkit::gguf_export
