#include "gguf_export/tokenizer/tokenizer_json.h"

#include <algorithm>
#include <utility>

namespace stkit::gguf_export {
namespace {

// Merges are joined by a space, so one inside of a part is written as byte-level tokens write it.
void append_part(std::string& merge, std::string_view part) {
  constexpr std::string_view kSpaceOfByteLevel = "\xC4\xA0";  // U+0120
  for (const char c : part)
    if (c == ' ')
      merge += kSpaceOfByteLevel;
    else
      merge += c;
}

class Parser {
 public:
  Result<TokenizerJson> parse(std::string text) {
    const size_t size = text.size();
    text.append(kJsonPadding, '\0');
    STKIT_TRY(read_json(std::string_view(text).substr(0, size), [&](JsonCursor root) {
      return root.object([&](std::string_view key, JsonCursor value) { return part(key, value); });
    }));
    return std::move(out_);
  }

 private:
  Result<void> part(std::string_view key, JsonCursor value) {
    if (key == "model" && value.type() == JsonType::Object)
      return value.object([&](std::string_view k, JsonCursor v) { return model_part(k, v); });
    if (key == "added_tokens" && value.type() == JsonType::Array)
      return value.array([&](JsonCursor token) { return added(token); });
    constexpr std::pair<std::string_view, JsonValue TokenizerJson::*> kTrees[] = {
        {"normalizer", &TokenizerJson::normalizer},
        {"pre_tokenizer", &TokenizerJson::pre_tokenizer},
        {"post_processor", &TokenizerJson::post_processor},
        {"decoder", &TokenizerJson::decoder},
    };
    for (const auto& [name, member] : kTrees)
      if (key == name) {
        STKIT_ASSIGN(out_.*member, JsonValue::read(value));
      }
    return {};
  }

  Result<void> model_part(std::string_view key, JsonCursor value) {
    if (key == "type" && value.type() == JsonType::String) {
      STKIT_ASSIGN(out_.type, value.string());
    } else if (key == "vocab" && value.type() == JsonType::Object) {
      return value.object([&](std::string_view text, JsonCursor id) -> Result<void> {
        STKIT_ASSIGN(const uint64_t number, id.uint());
        out_.vocabulary.push_back({number, std::string(text)});
        return {};
      });
    } else if (key == "vocab" && value.type() == JsonType::Array) {
      return value.array([&](JsonCursor pair) { return scored_token(pair); });
    } else if (key == "merges" && value.type() == JsonType::Array) {
      return value.array([&](JsonCursor pair) { return merge(pair); });
    } else if (key == "byte_fallback" && value.type() == JsonType::Bool) {
      STKIT_ASSIGN(out_.byte_fallback, value.boolean());
    } else if (key == "ignore_merges" && value.type() == JsonType::Bool) {
      STKIT_ASSIGN(out_.ignore_merges, value.boolean());
    } else if (key == "unk_id" && value.type() == JsonType::Number) {
      out_.unknown_id = value.try_uint();
    } else if (key == "unk_token" && value.type() == JsonType::String) {
      STKIT_ASSIGN(out_.unknown, value.string());
    }
    return {};
  }

  // ["▁the", -3.5]
  Result<void> scored_token(JsonCursor pair) {
    TokenizerJson::Token token{out_.vocabulary.size(), {}};
    size_t at = 0;
    STKIT_TRY(pair.array([&](JsonCursor element) -> Result<void> {
      if (at++ == 0) {
        STKIT_ASSIGN(token.text, element.string());
      } else {
        STKIT_ASSIGN(const double score, element.number());
        token.score = static_cast<float>(score);
      }
      return {};
    }));
    out_.vocabulary.push_back(std::move(token));
    return {};
  }

  // "left right", or ["left", "right"]
  Result<void> merge(JsonCursor pair) {
    std::string text;
    if (pair.type() == JsonType::String) {
      STKIT_ASSIGN(text, pair.string());
    } else {
      size_t at = 0;
      STKIT_TRY(pair.array([&](JsonCursor part) -> Result<void> {
        STKIT_ASSIGN(const std::string_view view, part.string());
        if (at++ > 0) text += ' ';
        append_part(text, view);
        return {};
      }));
    }
    out_.merges.push_back(std::move(text));
    return {};
  }

  Result<void> added(JsonCursor cursor) {
    STKIT_ASSIGN(const JsonValue token, JsonValue::read(cursor));
    const JsonValue* id = token.find("id");
    const JsonValue* content = token.find("content");
    if (id == nullptr || !id->as_uint() || content == nullptr || !content->as_string())
      return fail(ErrorCode::Corrupt, "tokenizer.json: an added token has no id or no content");
    const JsonValue* special = token.find("special");
    out_.added.push_back({*id->as_uint(), std::string(*content->as_string()),
                          special != nullptr && special->as_bool().value_or(false)});
    return {};
  }

  TokenizerJson out_;
};

}  // namespace

std::optional<uint64_t> TokenizerJson::added_id(std::string_view text) const {
  const auto found = std::ranges::find(added, text, &Added::text);
  return found == added.end() ? std::nullopt : std::optional(found->id);
}

Result<TokenizerJson> parse_tokenizer_json(std::string text) {
  return Parser().parse(std::move(text));
}

}  // namespace stkit::gguf_export
