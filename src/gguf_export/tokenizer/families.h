// The lists of tokens of each family, as many as the embedding has rows.
#pragma once

#include <cstdint>

#include "base/json_reader.h"
#include "gguf_export/tokenizer/sentencepiece.h"
#include "gguf_export/tokenizer/tokenizer_json.h"
#include "gguf_export/tokenizer/vocabulary.h"
#include "stkit/error.h"

namespace stkit::gguf_export {

// All fail with Corrupt when tokenizer.json has a token whose id is `count` or more.

// BPE over bytes: GPT-2, Llama 3, Qwen, ...
Result<Vocabulary> byte_level_vocabulary(const TokenizerJson& tokenizer, uint64_t count);

// BPE over characters with bytes to fall back to, as SentencePiece has it, but known only from
// tokenizer.json: Llama 2, Mistral, Gemma. Its scores are made from the order of the merges, which
// is what SentencePiece's own are.
Result<Vocabulary> sentencepiece_like_vocabulary(const TokenizerJson& tokenizer, uint64_t count);

// WordPiece: BERT. The marks move from continued words to their beginnings.
Result<Vocabulary> wordpiece_vocabulary(const TokenizerJson& tokenizer, uint64_t count);

// Unigram: XLM-RoBERTa.
Result<Vocabulary> unigram_vocabulary(const TokenizerJson& tokenizer, uint64_t count);

// What is beside tokenizer.model in the files of Transformers, all optional.
struct AddedTokenFiles {
  const JsonValue* added_tokens = nullptr;      // added_tokens.json: {text: id}
  const JsonValue* tokenizer_config = nullptr;  // its added_tokens_decoder
};

// Ids beyond `count` are left out: such files list tokens that the model was not trained with.
Vocabulary sentencepiece_vocabulary(const SentencePieceModel& model, const AddedTokenFiles& added,
                                    uint64_t count);

}  // namespace stkit::gguf_export
