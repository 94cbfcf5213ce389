#include "gguf_export/tokenizer/families.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <unordered_map>

#include "base/ascii.h"
#include "formats/finding_log.h"

namespace stkit::gguf_export {
namespace {

// Of tokens that no merge makes: behind all others.
constexpr float kAddedScore = -1000;

Result<void> check_ids(const TokenizerJson& tokenizer, uint64_t count) {
  const auto check = [&](uint64_t id, std::string_view text) -> Result<void> {
    if (id < count) return {};
    return fail(
        ErrorCode::Corrupt,
        fmt::format("token {} of tokenizer.json has the id {}, but the embedding has {} rows",
                    quoted_name(text), id, count),
        "the tokenizer belongs to another model, or tokens were added without training them");
  };
  for (const auto& token : tokenizer.vocabulary) STKIT_TRY(check(token.id, token.text));
  for (const auto& token : tokenizer.added) STKIT_TRY(check(token.id, token.text));
  return {};
}

void set_added(const TokenizerJson::Added& token, Vocabulary& out) {
  const bool is_control = token.special || looks_special(token.text);
  out.set(token.id, is_control ? token.text : with_spaces(token.text),
          is_control ? TokenType::Control : TokenType::UserDefined, kAddedScore);
}

Result<Vocabulary> listed(std::string_view model, const TokenizerJson& tokenizer, uint64_t count,
                          bool with_scores) {
  STKIT_TRY(check_ids(tokenizer, count));
  Vocabulary result = Vocabulary::padded(model, count, with_scores);
  for (const auto& token : tokenizer.vocabulary)
    result.set(token.id, token.text, TokenType::Normal, token.score);
  return result;
}

// "<0x0A>"
bool is_byte_token(std::string_view text) {
  return text.size() == 6 && text.starts_with("<0x") && text.back() == '>' &&
         ascii::all_hex_digits(text.substr(3, 2));
}

}  // namespace

Result<Vocabulary> byte_level_vocabulary(const TokenizerJson& tokenizer, uint64_t count) {
  STKIT_ASSIGN(Vocabulary result, listed("gpt2", tokenizer, count, false));
  for (const auto& token : tokenizer.added) set_added(token, result);
  result.merges = tokenizer.merges;
  return result;
}

Result<Vocabulary> sentencepiece_like_vocabulary(const TokenizerJson& tokenizer, uint64_t count) {
  STKIT_ASSIGN(Vocabulary result, listed("llama", tokenizer, count, true));
  std::unordered_map<std::string, size_t> ranks;
  for (size_t rank = 0; rank < tokenizer.merges.size(); ++rank) {
    std::string text = tokenizer.merges[rank];
    text.erase(std::min(text.find(' '), text.size()), 1);
    ranks.emplace(std::move(text), rank);
  }
  for (const auto& token : tokenizer.vocabulary) {
    const auto rank = ranks.find(token.text);
    const size_t position = rank == ranks.end() ? tokenizer.merges.size() : rank->second;
    const bool is_byte = is_byte_token(token.text);
    result.set(token.id, token.text, is_byte ? TokenType::Byte : TokenType::Normal,
               is_byte ? kAddedScore : -static_cast<float>(position));
  }
  for (const auto& token : tokenizer.added) {
    if (is_byte_token(token.text)) continue;
    const bool is_own = token.id < tokenizer.vocabulary.size();
    if (token.special)
      result.set(token.id, token.text, TokenType::Control, kAddedScore);
    else if (!is_own)
      result.set(token.id, token.text, TokenType::UserDefined, kAddedScore);
  }
  return result;
}

Result<Vocabulary> wordpiece_vocabulary(const TokenizerJson& tokenizer, uint64_t count) {
  constexpr std::string_view kContinued = "##";
  STKIT_ASSIGN(Vocabulary result, listed("bert", tokenizer, count, false));
  for (const auto& token : tokenizer.added) set_added(token, result);
  for (size_t id = 0; id < result.tokens.size(); ++id) {
    if (result.types[id] == TokenType::Control) continue;
    std::string& text = result.tokens[id];
    if (text.starts_with(kContinued))
      text.erase(0, kContinued.size());
    else
      text.insert(0, kWordMark);
  }
  result.pre = "bert-bge";  // the name is not looked at, but it has to be one
  return result;
}

Result<Vocabulary> unigram_vocabulary(const TokenizerJson& tokenizer, uint64_t count) {
  STKIT_ASSIGN(Vocabulary result, listed("t5", tokenizer, count, true));
  for (const auto& token : tokenizer.added)
    result.set(token.id, token.text, token.special ? TokenType::Control : TokenType::UserDefined,
               0);
  if (tokenizer.unknown_id && *tokenizer.unknown_id < count)
    result.types[*tokenizer.unknown_id] = TokenType::Unknown;
  return result;
}

Vocabulary sentencepiece_vocabulary(const SentencePieceModel& model, const AddedTokenFiles& added,
                                    uint64_t count) {
  Vocabulary result = Vocabulary::padded("llama", count, true);
  for (size_t id = 0; id < std::min<uint64_t>(model.pieces.size(), count); ++id) {
    const SentencePieceModel::Piece& piece = model.pieces[id];
    // llama.cpp's converter calls pieces that a user defined normal, and so does everybody's file.
    const bool is_plain = piece.type == TokenType::UserDefined;
    result.set(id, piece.text, is_plain ? TokenType::Normal : piece.type, piece.score);
  }
  if (added.added_tokens != nullptr)
    for (const auto& [text, id] : added.added_tokens->members())
      if (id.as_uint() && *id.as_uint() < count)
        result.set(*id.as_uint(), text, TokenType::UserDefined, kAddedScore);
  const JsonValue* decoder = added.tokenizer_config == nullptr
                                 ? nullptr
                                 : added.tokenizer_config->find("added_tokens_decoder");
  if (decoder == nullptr) return result;
  for (const auto& [number, token] : decoder->members()) {
    uint64_t id = count;
    std::from_chars(number.data(), number.data() + number.size(), id);
    const JsonValue* content = token.find("content");
    if (id >= count || content == nullptr || !content->as_string()) continue;
    const JsonValue* special = token.find("special");
    set_added({id, std::string(*content->as_string()),
               special != nullptr && special->as_bool().value_or(false)},
              result);
  }
  return result;
}

}  // namespace stkit::gguf_export
