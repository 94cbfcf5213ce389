#include "gguf_export/tokenizer/tokenizer.h"

#include <fmt/format.h>

#include <optional>
#include <span>

#include "base/python_json.h"
#include "formats/finding_log.h"
#include "gguf_export/tokenizer/chat_template.h"
#include "gguf_export/tokenizer/families.h"
#include "gguf_export/tokenizer/pre_tokenizer.h"
#include "gguf_export/tokenizer/special_tokens.h"
#include "stkit/text.h"

namespace stkit::gguf_export {
namespace {

// Far beyond any model; bounds what a forged shape can make us list.
constexpr uint64_t kMostTokens = uint64_t{1} << 24;

std::string_view text_field(const JsonValue& object, std::string_view key) {
  const JsonValue* value = object.find(key);
  return value == nullptr ? std::string_view() : value->as_string().value_or("");
}

// Nothing when there is no such file; an error when it cannot be read.
Result<std::optional<std::string>> find_text(const Model& model, std::string_view name) {
  Result<std::string> text = model.read_companion(name);
  if (text) return std::move(*text);
  if (text.error().code == ErrorCode::NotFound) return std::nullopt;
  return fail(std::move(text).error());
}

Result<std::optional<JsonValue>> find_json(const Model& model, std::string_view name) {
  STKIT_ASSIGN(const std::optional<std::string> text, find_text(model, name));
  if (!text) return std::nullopt;
  Result<JsonValue> json = JsonValue::parse(strict_json(*text));
  if (!json) return fail(std::move(json).error().at(std::string(name)));
  return std::move(*json);
}

// BPE that falls back to bytes, on text whose spaces are marked: SentencePiece by another name.
bool is_sentencepiece_like(const TokenizerJson& tokenizer) {
  return tokenizer.type == "BPE" && tokenizer.byte_fallback &&
         text_field(tokenizer.decoder, "type") == "Sequence";
}

// tokenizer.model beside a tokenizer.json of another kind is a leftover of what the model was
// trained from.
bool prefers_sentencepiece(const Architecture& architecture, const TokenizerFiles& files) {
  if (!files.tokenizer) return true;
  return architecture.vocabulary == VocabularyChoice::SentencePiece &&
         (files.tokenizer->type != "BPE" || is_sentencepiece_like(*files.tokenizer));
}

Result<Vocabulary> from_tokenizer_json(const TokenizerJson& tokenizer,
                                       const TokenizerOptions& options,
                                       std::vector<std::string>& notes) {
  if (is_sentencepiece_like(tokenizer))
    return sentencepiece_like_vocabulary(tokenizer, options.count);
  if (tokenizer.type == "WordPiece") return wordpiece_vocabulary(tokenizer, options.count);
  if (tokenizer.type == "Unigram") return unigram_vocabulary(tokenizer, options.count);
  if (tokenizer.type != "BPE")
    return fail(ErrorCode::Unsupported,
                fmt::format("tokenizer.json has a model of type {}, which llama.cpp does not have",
                            quoted_name(tokenizer.type)));
  STKIT_ASSIGN(Vocabulary vocabulary, byte_level_vocabulary(tokenizer, options.count));
  const PreTokenizer pre = find_pre_tokenizer(tokenizer);
  vocabulary.pre = pre.name;
  if (!pre.is_known && options.pre_tokenizer.empty())
    notes.push_back(fmt::format(
        "no pre-tokenizer is known that splits text as tokenizer.json does; the nearest is {} "
        "(--pre names another); it says: {}",
        pre.name, printable(pre.structure, 200)));
  return vocabulary;
}

Result<std::optional<Vocabulary>> from_tokenizer_model(const Model& model,
                                                       const TokenizerFiles& files,
                                                       uint64_t count) {
  STKIT_ASSIGN(const std::optional<std::string> bytes, find_text(model, "tokenizer.model"));
  if (!bytes) return std::nullopt;
  auto parsed = parse_sentencepiece(std::as_bytes(std::span(*bytes)));
  if (!parsed) return fail(std::move(parsed).error().at("tokenizer.model"));
  STKIT_ASSIGN(const std::optional<JsonValue> added, find_json(model, "added_tokens.json"));
  return sentencepiece_vocabulary(
      *parsed,
      {added ? &*added : nullptr, files.tokenizer_config ? &*files.tokenizer_config : nullptr},
      count);
}

Result<TokenizerFiles> read_files(const Model& model) {
  TokenizerFiles files;
  STKIT_ASSIGN(std::optional<std::string> text, find_text(model, "tokenizer.json"));
  if (text) {
    auto parsed = parse_tokenizer_json(std::move(*text));
    if (!parsed) return fail(std::move(parsed).error().at("tokenizer.json"));
    files.tokenizer = std::move(*parsed);
  }
  STKIT_ASSIGN(files.tokenizer_config, find_json(model, "tokenizer_config.json"));
  STKIT_ASSIGN(files.config, find_json(model, "config.json"));
  return files;
}

// What the files say, else what is fixed for the architecture.
void add_space_prefix_key(const Architecture& architecture, const TokenizerFiles& files,
                          MetadataBuilder& out) {
  std::optional<bool> prefix = architecture.add_space_prefix;
  if (!prefix && files.tokenizer_config)
    if (const JsonValue* value = files.tokenizer_config->find("add_prefix_space"))
      prefix = value->as_bool();
  if (prefix) out.set("tokenizer.ggml.add_space_prefix", *prefix);
}

void add_named_tokens(const Architecture& architecture, const TokenizerFiles& files,
                      MetadataBuilder& out) {
  for (const NamedToken& token : architecture.special_tokens) {
    const std::string key = fmt::format("tokenizer.ggml.{}_token_id", token.key);
    const auto id = files.tokenizer ? files.tokenizer->added_id(token.text) : std::nullopt;
    if (id && !out.has(key)) out.set(key, static_cast<uint32_t>(*id));
  }
}

}  // namespace

Result<void> add_tokenizer_keys(const Model& model, const Architecture& architecture,
                                const TokenizerOptions& options, MetadataBuilder& out,
                                std::vector<std::string>& notes) {
  if (options.count > kMostTokens)
    return fail(ErrorCode::Corrupt,
                fmt::format("the embedding has {} rows; at most {} are believed", options.count,
                            kMostTokens));
  STKIT_ASSIGN(TokenizerFiles files, read_files(model));
  std::optional<Vocabulary> vocabulary;
  if (prefers_sentencepiece(architecture, files)) {
    STKIT_ASSIGN(vocabulary, from_tokenizer_model(model, files, options.count));
  }
  if (!vocabulary) {
    if (!files.tokenizer)
      return fail(
          ErrorCode::NotFound,
          "there is no tokenizer.json and no tokenizer.model: without its tokenizer a model "
          "cannot be run",
          "download the whole repository, or quantize it under its own tensor names with "
          "--arch none",
          model.reference());
    STKIT_ASSIGN(vocabulary, from_tokenizer_json(*files.tokenizer, options, notes));
  }
  if (!options.pre_tokenizer.empty()) vocabulary->pre = options.pre_tokenizer;
  STKIT_TRY(add_vocabulary_keys(*vocabulary, out));
  if (vocabulary->model == "llama") add_space_prefix_key(architecture, files, out);
  add_special_token_keys(files, options.count, out);
  add_named_tokens(architecture, files, out);
  add_chat_template_keys(model, files.tokenizer_config ? &*files.tokenizer_config : nullptr, out);
  return {};
}

}  // namespace stkit::gguf_export
