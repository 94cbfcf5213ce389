#include "gguf_export/tokenizer/pre_tokenizer.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "base/digest.h"

namespace stkit::gguf_export {
namespace {

// The expressions that tokenizers of today are made of, and their own in between.
#define CONTRACTIONS "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define LINES R"(\s*[\r\n]+|\s+(?!\S)|\s+)"
#define SYMBOLS R"( ?[^\s\p{L}\p{N}]+[\r\n]*|)"
#define WORDS R"([^\r\n\p{L}\p{N}]?\p{L}+|)"
#define CASED_1 R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+)"
#define CASED_2 R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*)"
#define SLASH_SYMBOLS R"( ?[^\s\p{L}\p{N}]+[\r\n/]*|)"

constexpr std::string_view kThreeDigits =
    "R" CONTRACTIONS "|" WORDS R"(\p{N}{1,3}|)" SYMBOLS LINES "\nB0";
constexpr std::string_view kOneDigit = "R" CONTRACTIONS "|" WORDS R"(\p{N}|)" SYMBOLS LINES "\nB0";
constexpr std::string_view kMarks =
    "R" CONTRACTIONS
    R"(|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|)" LINES "\nB0";
constexpr std::string_view kTekken =
    "R" CASED_1 "|" CASED_2 R"(|\p{N}|)" SLASH_SYMBOLS LINES "\nB0";
constexpr std::string_view kGpt4o = "R" CASED_1 CONTRACTIONS "?|" CASED_2 CONTRACTIONS
                                    R"(?|\p{N}{1,3}|)" SLASH_SYMBOLS LINES "\nB0";
constexpr std::string_view kLing =
    R"(R'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+)"
    "\nB0";
constexpr std::string_view kFalcon = "P\nB1\nD0\nR[0-9][0-9][0-9]";

#undef CONTRACTIONS
#undef LINES
#undef SYMBOLS
#undef WORDS
#undef CASED_1
#undef CASED_2
#undef SLASH_SYMBOLS

// A structure, one part a line: R a split by an expression, T by a text, D1 digits one by one, D0
// by runs, P punctuation, B1 byte level with GPT-2's own expression, B0 without, M Metaspace. Where
// it starts with '#' it is the SHA-256 of all expressions, for those that fill a page.
struct Row {
  std::string_view structure;
  std::string_view name;
  std::optional<bool> ignore_merges = {};  // what the model says beside it
  std::string_view token = {};             // an added token that it has
  std::string_view normalizer = {};
  std::string_view post_processor = {};
};

// The first row that fits counts.
constexpr Row kRows[] = {
    {kThreeDigits, "llama-bpe", true},
    {kThreeDigits, "glm4", std::nullopt, "[gMASK]"},
    {kThreeDigits, "dbrx"},
    {kOneDigit, "qwen2"},
    {kMarks, "qwen35"},
    {kTekken, "tekken"},
    {kGpt4o, "gpt-4o"},
    {kLing, "bailingmoe"},
    {kFalcon, "falcon"},
    {"#3e41884740914736a01647a8d1d6426e0e5aed47b7fdb19dfb81d31e3653a502", "deepseek-v3"},
    {"#03df5c5863ad70781dcfdef491ead25140f895fe8010964be0daefe27be32b02", "deepseek-llm"},
    {"#21cde974d587f0d54dc8d56b183cc1e6239600172035c68fbd6d4b9f8da0576e", "deepseek-coder"},
    {"D1\nB1", "smollm"},
    {"B1", "roberta-bpe", std::nullopt, {}, {}, "RobertaProcessing"},
    {"B1", "olmo", std::nullopt, {}, "NFC"},
    {"B1", "gpt-2"},
};

std::string_view text_field(const JsonValue& object, std::string_view key) {
  const JsonValue* value = object.find(key);
  return value == nullptr ? std::string_view() : value->as_string().value_or("");
}

bool flag_field(const JsonValue& object, std::string_view key, bool fallback) {
  const JsonValue* value = object.find(key);
  return value == nullptr ? fallback : value->as_bool().value_or(fallback);
}

// Some tokenizers hold line ends themselves, others their escapes.
std::string escaped(std::string_view expression) {
  std::string text;
  for (const char c : expression) {
    if (c == '\n')
      text += "\\n";
    else if (c == '\r')
      text += "\\r";
    else
      text += c;
  }
  return text;
}

struct Structure {
  std::string text;
  std::string expressions;  // one behind the other, as they are
};

void describe(const JsonValue& part, Structure& out) {
  const std::string_view type = text_field(part, "type");
  if (type == "Sequence") {
    if (const JsonValue* parts = part.find("pretokenizers"))
      for (const JsonValue& inner : parts->elements()) describe(inner, out);
    return;
  }
  std::string line;
  if (type == "Split") {
    const JsonValue* pattern = part.find("pattern");
    const bool is_text = pattern != nullptr && pattern->find("String") != nullptr;
    const std::string_view expression =
        pattern == nullptr ? "" : text_field(*pattern, is_text ? "String" : "Regex");
    line = (is_text ? "T" : "R") + escaped(expression);
    out.expressions += expression;
  } else if (type == "Digits") {
    line = flag_field(part, "individual_digits", false) ? "D1" : "D0";
  } else if (type == "ByteLevel") {
    line = flag_field(part, "use_regex", true) ? "B1" : "B0";
  } else if (type == "Punctuation") {
    line = "P";
  } else if (type == "Metaspace") {
    line = "M";
  } else {
    line = "?" + std::string(type);
  }
  if (!out.text.empty()) out.text += '\n';
  out.text += line;
}

bool has_part(const JsonValue& part, std::string_view type) {
  if (text_field(part, "type") == type) return true;
  for (const std::string_view key : {"normalizers", "processors"})
    if (const JsonValue* parts = part.find(key))
      if (std::ranges::any_of(parts->elements(),
                              [&](const JsonValue& inner) { return has_part(inner, type); }))
        return true;
  return false;
}

bool fits(const Row& row, const Structure& structure, const std::string& digest,
          const TokenizerJson& tokenizer) {
  const bool same = row.structure.starts_with('#') ? row.structure.substr(1) == digest
                                                   : row.structure == structure.text;
  return same && (!row.ignore_merges || *row.ignore_merges == tokenizer.ignore_merges) &&
         (row.token.empty() || tokenizer.added_id(row.token)) &&
         (row.normalizer.empty() || has_part(tokenizer.normalizer, row.normalizer)) &&
         (row.post_processor.empty() || has_part(tokenizer.post_processor, row.post_processor));
}

// How numbers are split is what matters most to a model.
std::string_view nearest_name(std::string_view structure) {
  if (structure.find(R"(\p{N}{1,3})") != structure.npos) return "dbrx";
  if (structure.find(R"(\p{N})") != structure.npos) return "qwen2";
  if (structure.find("D1") != structure.npos) return "smollm";
  return "gpt-2";
}

}  // namespace

PreTokenizer find_pre_tokenizer(const TokenizerJson& tokenizer) {
  Structure structure;
  describe(tokenizer.pre_tokenizer, structure);
  Digest sha256;
  sha256.update(structure.expressions);
  const std::string digest = sha256.hex();
  for (const Row& row : kRows)
    if (fits(row, structure, digest, tokenizer)) return {row.name, true, structure.text};
  return {nearest_name(structure.text), false, structure.text};
}

}  // namespace stkit::gguf_export
