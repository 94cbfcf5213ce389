// Which of llama.cpp's pre-tokenizers splits text as a tokenizer.json says, by its structure alone.
#pragma once

#include <string>
#include <string_view>

#include "gguf_export/tokenizer/tokenizer_json.h"

namespace stkit::gguf_export {

struct PreTokenizer {
  std::string_view name;  // "llama-bpe"
  bool is_known = true;   // false: the nearest, by how digits are split
  std::string structure;  // what was found, for messages
};

// Of names that mean the same, the one that the oldest runtimes know.
PreTokenizer find_pre_tokenizer(const TokenizerJson& tokenizer);

}  // namespace stkit::gguf_export
