// The tokenizer of a model as keys of GGUF.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "gguf_export/architecture.h"
#include "gguf_export/metadata_builder.h"
#include "stkit/error.h"
#include "stkit/model.h"

namespace stkit::gguf_export {

struct TokenizerOptions {
  uint64_t count = 0;                   // of tokens: the rows of the embedding
  std::string_view pre_tokenizer = {};  // instead of what tokenizer.json looks like
};

// No tokenizer is run. NotFound when the model has none; Unsupported for a kind that llama.cpp does
// not have. A pre-tokenizer that is not known is a note, with the nearest in its place.
Result<void> add_tokenizer_keys(const Model& model, const Architecture& architecture,
                                const TokenizerOptions& options, MetadataBuilder& out,
                                std::vector<std::string>& notes);

}  // namespace stkit::gguf_export
