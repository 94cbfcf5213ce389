#include "gguf_export/tokenizer/vocabulary.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "formats/finding_log.h"

namespace stkit::gguf_export {
namespace {

// SentencePiece never prefers a token of this score to one of its own.
constexpr float kPaddingScore = -10000;

std::vector<std::string_view> views_of(const std::vector<std::string>& texts) {
  return {texts.begin(), texts.end()};
}

}  // namespace

Vocabulary Vocabulary::padded(std::string_view model, uint64_t count, bool with_scores) {
  Vocabulary result{
      .model = model, .pre = "default", .tokens = {}, .types = {}, .scores = {}, .merges = {}};
  result.tokens.resize(count);
  for (uint64_t id = 0; id < count; ++id) result.tokens[id] = fmt::format("[PAD{}]", id);
  result.types.assign(count, TokenType::Unused);
  if (with_scores) result.scores.assign(count, kPaddingScore);
  return result;
}

void Vocabulary::set(uint64_t id, std::string_view text, TokenType type, float score) {
  tokens[id] = text;
  types[id] = type;
  if (!scores.empty()) scores[id] = score;
}

bool looks_special(std::string_view text) {
  constexpr std::string_view kSpecial[] = {"<pad>", "<mask>", "<2mass>", "[@BOS@]"};
  struct Frame {
    std::string_view first, last;
  };
  // The middle one has full-width bars (U+FF5C), as DeepSeek's tokens do.
  constexpr Frame kFrames[] = {{"<|", "|>"}, {"<\xEF\xBD\x9C", "\xEF\xBD\x9C>"}, {"<unused", ">"}};
  return std::ranges::find(kSpecial, text) != std::end(kSpecial) ||
         std::ranges::any_of(kFrames, [&](const Frame& frame) {
           return text.starts_with(frame.first) && text.ends_with(frame.last);
         });
}

std::string with_spaces(std::string_view text) {
  std::string result;
  for (size_t at = 0; at < text.size();) {
    const size_t mark = std::min(text.find(kWordMark, at), text.size());
    result += text.substr(at, mark - at);
    if (mark < text.size()) result += ' ';
    at = mark + kWordMark.size();
  }
  return result;
}

Result<void> add_vocabulary_keys(const Vocabulary& vocabulary, MetadataBuilder& out) {
  std::unordered_map<std::string_view, size_t> ids;
  ids.reserve(vocabulary.tokens.size());
  for (size_t id = 0; id < vocabulary.tokens.size(); ++id)
    if (const auto [other, is_new] = ids.emplace(vocabulary.tokens[id], id); !is_new)
      return fail(ErrorCode::Corrupt,
                  fmt::format("tokens {} and {} of the tokenizer are the same: {}", other->second,
                              id, quoted_name(vocabulary.tokens[id])));

  out.set_text("tokenizer.ggml.model", vocabulary.model);
  out.set_text("tokenizer.ggml.pre", vocabulary.pre);
  out.set_texts("tokenizer.ggml.tokens", views_of(vocabulary.tokens));
  if (!vocabulary.scores.empty())
    out.set_numbers<float>("tokenizer.ggml.scores", vocabulary.scores);
  std::vector<int32_t> types;
  types.reserve(vocabulary.types.size());
  for (const TokenType type : vocabulary.types) types.push_back(static_cast<int32_t>(type));
  out.set_numbers<int32_t>("tokenizer.ggml.token_type", types);
  if (!vocabulary.merges.empty())
    out.set_texts("tokenizer.ggml.merges", views_of(vocabulary.merges));
  return {};
}

}  // namespace stkit::gguf_export
