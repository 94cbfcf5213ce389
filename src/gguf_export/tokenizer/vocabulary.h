// A tokenizer as GGUF holds it: what every family of tokenizers becomes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "gguf_export/metadata_builder.h"
#include "stkit/error.h"

namespace stkit::gguf_export {

// The numbers are those of GGUF, and of SentencePiece.
enum class TokenType : int32_t {
  Normal = 1,
  Unknown = 2,
  Control = 3,
  UserDefined = 4,
  Unused = 5,
  Byte = 6,
};

struct Vocabulary {
  std::string_view model;  // "gpt2", "llama", "bert", "t5"
  std::string pre;         // the pre-tokenizer's name
  // By id; scores where the model has them.
  std::vector<std::string> tokens;
  std::vector<TokenType> types;
  std::vector<float> scores;
  std::vector<std::string> merges;  // "left right", the first to be applied first

  // `count` tokens that stand for none: "[PAD7]", unused.
  static Vocabulary padded(std::string_view model, uint64_t count, bool with_scores);
  void set(uint64_t id, std::string_view text, TokenType type, float score = 0);
};

// Text that tokenizers mean for control, though some do not mark it so: "<|im_start|>".
bool looks_special(std::string_view text);

// What separates words in SentencePiece (U+2581), and what it stands for.
inline constexpr std::string_view kWordMark = "\xE2\x96\x81";
std::string with_spaces(std::string_view text);

// tokenizer.ggml.{model,pre,tokens,scores,token_type,merges}. Corrupt when two tokens are the same:
// the loader gives up on such a file.
Result<void> add_vocabulary_keys(const Vocabulary& vocabulary, MetadataBuilder& out);

}  // namespace stkit::gguf_export
