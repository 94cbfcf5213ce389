// tokenizer.model: a SentencePiece model, a protobuf message.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "gguf_export/tokenizer/vocabulary.h"
#include "stkit/error.h"

namespace stkit::gguf_export {

// Views into what it was parsed from.
struct SentencePieceModel {
  struct Piece {
    std::string_view text;
    float score = 0;
    TokenType type = TokenType::Normal;
  };
  enum class Kind : uint8_t { Unigram = 1, Bpe = 2, Word = 3, Char = 4 };

  std::vector<Piece> pieces;  // by id
  Kind kind = Kind::Unigram;
  bool add_dummy_prefix = true;
  bool remove_extra_whitespaces = true;
  std::string_view precompiled_charsmap;  // of the normalizer
};

// Five fields of five messages are all that is read, so the wire format is read here: a library
// for it would be a dependency for fewer lines than it takes to bind it. Unknown fields are
// skipped. Corrupt when lengths contradict each other.
Result<SentencePieceModel> parse_sentencepiece(std::span<const std::byte> bytes);

}  // namespace stkit::gguf_export
