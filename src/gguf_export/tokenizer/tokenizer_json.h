// tokenizer.json, as the `tokenizers` library writes it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_reader.h"
#include "stkit/error.h"

namespace stkit::gguf_export {

struct TokenizerJson {
  struct Token {
    uint64_t id;
    std::string text;
    float score = 0;  // Unigram
  };
  struct Added {
    uint64_t id;
    std::string text;
    bool special;
  };

  std::string type;                 // "BPE", "WordPiece", "Unigram"
  std::vector<Token> vocabulary;    // in the order of the file
  std::vector<std::string> merges;  // "left right"; a space inside of one is written U+0120
  bool byte_fallback = false;
  bool ignore_merges = false;
  std::optional<uint64_t> unknown_id;  // Unigram
  std::string unknown;                 // the others'

  std::vector<Added> added;
  JsonValue normalizer, pre_tokenizer, post_processor, decoder;  // null without

  // The id of an added token, by its exact text.
  std::optional<uint64_t> added_id(std::string_view text) const;
};

// Memory: the text and its strings once, never a tree of all of it. Corrupt when it is no JSON, or
// a token has no id.
Result<TokenizerJson> parse_tokenizer_json(std::string text);

}  // namespace stkit::gguf_export
