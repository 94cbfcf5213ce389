// How an embedding model makes one vector of all tokens, as sentence-transformers says it.
#pragma once

#include "gguf_export/metadata_builder.h"
#include "stkit/model.h"

namespace stkit::gguf_export {

// pooling_type, from modules.json and the configuration of its pooling module; nothing without.
void add_pooling_key(const Model& model, MetadataBuilder& out);

}  // namespace stkit::gguf_export
