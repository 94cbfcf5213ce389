// tokenizer.json: well-formed, and every id has a row in the embedding.
#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/json_reader.h"
#include "ops/validate/checks.h"
#include "stkit/text.h"

namespace stkit {
namespace {

struct Token {
  std::string text;
  uint64_t id = 0;
};

// Of a tokenizer, the tokens whose ids are at least `rows`.
struct Beyond {
  uint64_t rows = 0;
  bool has_model = false;
  std::vector<Token> vocabulary;
  std::vector<Token> added;
};

// A tokenizer that has nothing to do with the model has this many at most that are worth keeping.
constexpr size_t kMaxKept = 100'000;

void keep(std::vector<Token>& tokens, std::string_view text, uint64_t id) {
  if (tokens.size() < kMaxKept) tokens.push_back({std::string(text), id});
}

// BPE, WordPiece and WordLevel map tokens to ids; Unigram lists [token, score], the id being the
// place in the list.
Result<void> read_vocabulary(JsonCursor value, Beyond& beyond) {
  if (value.type() == JsonType::Object)
    return value.object([&](std::string_view token, JsonCursor field) -> Result<void> {
      STKIT_ASSIGN(const uint64_t id, field.uint());
      if (id >= beyond.rows) keep(beyond.vocabulary, token, id);
      return {};
    });
  uint64_t id = 0;
  return value.array([&](JsonCursor entry) -> Result<void> {
    if (id++ < beyond.rows) return entry.skip();
    bool first = true;
    return entry.array([&](JsonCursor part) -> Result<void> {
      if (!std::exchange(first, false)) return part.skip();
      STKIT_ASSIGN(const std::string_view token, part.string());
      keep(beyond.vocabulary, token, id - 1);
      return {};
    });
  });
}

Result<void> read_added(JsonCursor value, Beyond& beyond) {
  return value.array([&](JsonCursor entry) -> Result<void> {
    Token token;
    const auto read_field = [&](std::string_view key, JsonCursor field) -> Result<void> {
      if (key == "id") {
        STKIT_ASSIGN(token.id, field.uint());
      } else if (key == "content") {
        STKIT_ASSIGN(const std::string_view content, field.string());
        token.text = content;
      }
      return {};
    };
    STKIT_TRY(entry.object(read_field));
    if (token.id >= beyond.rows) keep(beyond.added, token.text, token.id);
    return {};
  });
}

// Reads past the rest, merges above all: a tree of a 17 MB file would cost ten times as much.
Result<Beyond> read_tokenizer(std::string text, uint64_t rows) {
  const size_t size = text.size();
  text.append(kJsonPadding, '\0');
  Beyond beyond;
  beyond.rows = rows;
  const auto read_model = [&](std::string_view field, JsonCursor content) -> Result<void> {
    if (field == "vocab") return read_vocabulary(content, beyond);
    return {};
  };
  const auto read_part = [&](std::string_view key, JsonCursor value) -> Result<void> {
    if (key == "added_tokens" && value.type() == JsonType::Array) return read_added(value, beyond);
    if (key != "model") return {};
    beyond.has_model = true;
    return value.object(read_model);
  };
  const auto read_root = [&](JsonCursor root) { return root.object(read_part); };
  STKIT_TRY(read_json(std::string_view(text).substr(0, size), read_root));
  if (!beyond.has_model) return fail(ErrorCode::Corrupt, "the tokenizer has no 'model'");
  // Some writers list an added token in the vocabulary as well.
  const auto is_added = [&](const Token& token) {
    return std::ranges::find(beyond.added, token.id, &Token::id) != beyond.added.end();
  };
  if (beyond.added.size() < 1000) std::erase_if(beyond.vocabulary, is_added);
  return beyond;
}

constexpr std::string_view kEmbeddings[] = {
    "embed_tokens.weight",    "wte.weight",
    "word_embeddings.weight", "embed_in.weight",
    "tok_embeddings.weight",  "backbone.embeddings.weight",
    "shared.weight",
};

// The rows of the one table that tokens are looked up in; nothing when that is not certain.
const TensorInfo* find_embedding(const Context& context) {
  const TensorInfo* found = nullptr;
  const std::span<const TensorInfo> tensors = context.model.tensors();
  for (uint32_t i = 0; i < tensors.size(); ++i) {
    const NamePattern& pattern = context.names.pattern(i);
    if (!pattern.stack.empty() || tensors[i].shape.size() != 2) continue;
    // bitsandbytes folds the matrix into one column.
    if (tensors[i].dtype == DType::U8 || tensors[i].dtype == DType::I8) continue;
    if (std::ranges::none_of(kEmbeddings,
                             [&](std::string_view name) { return pattern.text.ends_with(name); }))
      continue;
    // Several tables (a decoder's own, an image tokenizer's): the largest has a row for every id.
    if (found == nullptr || tensors[i].shape[0] > found->shape[0]) found = &tensors[i];
  }
  return found;
}

// Placeholders that a processor replaces by features before the embedding is reached: text-only
// siblings of multimodal models keep them in their tokenizers without rows of their own.
bool is_media_placeholder(std::string_view token) {
  for (const std::string_view word : {"image", "audio", "video", "vision"})
    if (token.find(word) != token.npos) return true;
  return false;
}

void report_vocabulary(Context& context, const std::string& path, const Beyond& beyond,
                       const TensorInfo& embedding) {
  if (beyond.vocabulary.empty()) return;
  const auto& last = std::ranges::max(beyond.vocabulary, {}, &Token::id);
  context.report(
      {.check = Check::TokenizerTooLarge,
       .path = path,
       .tensor = std::string(embedding.name),
       .message = fmt::format("the largest token id is {}, but the embedding '{}' has {}", last.id,
                              embedding.name, counted(beyond.rows, "row"))});
}

void report_added(Context& context, const std::string& path, const Beyond& beyond,
                  const TensorInfo& embedding) {
  if (beyond.added.empty()) return;
  const bool placeholders = std::ranges::all_of(
      beyond.added, [](const Token& token) { return is_media_placeholder(token.text); });
  const Token& first = beyond.added.front();
  context.report(
      {.check = Check::TokenizerTooLarge,
       .path = path,
       .tensor = std::string(embedding.name),
       .message = fmt::format("{} no row in the embedding of {}, first '{}' (id {})",
                              counted(beyond.added.size(), "added token has", "added tokens have"),
                              counted(beyond.rows, "row"), printable(first.text, 40), first.id),
       .hint = "prompts that hold them fail; resize the embedding or take the tokens out",
       .severity_override = placeholders ? Severity::Note : Severity::Warning});
}

}  // namespace

void check_tokenizer(Context& context) {
  const ModelFile* file = context.file("tokenizer.json");
  if (file == nullptr) return;
  const TensorInfo* embedding = context.whole ? find_embedding(context) : nullptr;
  const uint64_t rows = embedding == nullptr ? UINT64_MAX : embedding->shape[0];
  auto text = context.model.read_companion("tokenizer.json");
  auto beyond =
      text ? read_tokenizer(std::move(*text), rows) : Result<Beyond>(fail(std::move(text.error())));
  if (!beyond) {
    context.report(Check::BadTokenizer, file->path, std::move(beyond.error().message));
    return;
  }
  if (embedding == nullptr) return;
  report_vocabulary(context, file->path, *beyond, *embedding);
  report_added(context, file->path, *beyond, *embedding);
}

}  // namespace stkit
