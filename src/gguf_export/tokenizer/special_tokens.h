// The tokens that begin, end and separate text, and whether they are added to it.
#pragma once

#include <cstdint>
#include <optional>

#include "base/json_reader.h"
#include "gguf_export/metadata_builder.h"
#include "gguf_export/tokenizer/tokenizer_json.h"

namespace stkit::gguf_export {

// Whatever is there of a model's files.
struct TokenizerFiles {
  std::optional<TokenizerJson> tokenizer;     // tokenizer.json
  std::optional<JsonValue> tokenizer_config;  // tokenizer_config.json
  std::optional<JsonValue> config;            // config.json
};

// tokenizer.ggml.*_token_id, add_*_token and normalizer.*. Ids of `count` and more are left out.
void add_special_token_keys(const TokenizerFiles& files, uint64_t count, MetadataBuilder& out);

}  // namespace stkit::gguf_export
