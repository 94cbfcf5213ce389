#include "gguf_export/tokenizer/pre_tokenizer.h"

#include <gtest/gtest.h>

#include "stkit/json.h"

namespace stkit::gguf_export {
namespace {

// As published; each occurs in the tokenizers of the models that the name stands for.
constexpr std::string_view kLlama3 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kQwen2 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kTekken =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kGpt4o =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kQwen35 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

std::string split(std::string_view expression) {
  std::string text;
  JsonWriter json(text);
  json.begin_object().field("type", "Split");
  json.key("pattern").begin_object().field("Regex", expression).end_object();
  json.field("behavior", "Isolated").field("invert", false).end_object();
  return text;
}
std::string sequence(std::initializer_list<std::string> parts) {
  std::string text = R"({"type": "Sequence", "pretokenizers": [)";
  for (const std::string& part : parts) text += (text.back() == '[' ? "" : ",") + part;
  return text + "]}";
}
const std::string kBytes = R"({"type": "ByteLevel", "use_regex": false})";
const std::string kBytesAndWords = R"({"type": "ByteLevel"})";
const std::string kDigits = R"({"type": "Digits", "individual_digits": true})";

PreTokenizer found(const std::string& pre_tokenizer, const std::string& more = "",
                   const std::string& model = "") {
  const auto tokenizer = parse_tokenizer_json(R"({"pre_tokenizer": )" + pre_tokenizer + more +
                                              R"(, "model": {"type": "BPE")" + model + "}}");
  EXPECT_TRUE(tokenizer) << tokenizer.error().message;
  return find_pre_tokenizer(*tokenizer);
}

TEST(PreTokenizer, ByStructure) {
  struct Case {
    const char* name;
    std::string pre_tokenizer;
    std::string more = "", model = "";
  };
  const Case cases[] = {
      {"llama-bpe", sequence({split(kLlama3), kBytes}), "", R"(, "ignore_merges": true)"},
      {"dbrx", sequence({split(kLlama3), kBytes})},
      {"glm4", sequence({split(kLlama3), kBytes}),
       R"(, "added_tokens": [{"id": 1, "content": "[gMASK]"}])"},
      {"qwen2", sequence({split(kQwen2), kBytes})},
      {"qwen35", sequence({split(kQwen35), kBytes})},
      {"tekken", sequence({split(kTekken), kBytes})},
      {"gpt-4o", sequence({split(kGpt4o), kBytes})},
      {"smollm", sequence({kDigits, kBytesAndWords})},
      {"gpt-2", kBytesAndWords},
      {"olmo", kBytesAndWords, R"(, "normalizer": {"type": "NFC"})"},
      {"roberta-bpe", kBytesAndWords, R"(, "post_processor": {"type": "RobertaProcessing"})"},
      {"falcon",
       sequence({R"({"type": "Punctuation", "behavior": "Contiguous"})", kBytesAndWords,
                 R"({"type": "Digits", "individual_digits": false})", split("[0-9][0-9][0-9]")})},
  };
  for (const Case& c : cases) {
    const PreTokenizer pre = found(c.pre_tokenizer, c.more, c.model);
    EXPECT_EQ(pre.name, c.name);
    EXPECT_TRUE(pre.is_known) << c.name;
  }
}

TEST(PreTokenizer, LineEndsThemselvesMeanTheirEscapes) {
  std::string raw(kQwen2);
  for (const auto& [escape, end] : {std::pair{"\\r", "\r"}, {"\\n", "\n"}})
    for (size_t at; (at = raw.find(escape)) != raw.npos;) raw.replace(at, 2, end);
  EXPECT_EQ(found(sequence({split(raw), kBytes})).name, "qwen2");
}

TEST(PreTokenizer, TheNearestByDigits) {
  for (const auto& [structure, name] :
       {std::pair{sequence({split(R"(magic|\p{N}{1,3})"), kBytes}), "dbrx"},
        {sequence({split(R"(magic|\p{N})"), kBytes}), "qwen2"},
        {sequence({split("magic"), kDigits, kBytes}), "smollm"},
        {sequence({split("magic"), kBytes}), "gpt-2"},
        {std::string("null"), "gpt-2"}}) {
    const PreTokenizer pre = found(structure);
    EXPECT_EQ(pre.name, name);
    EXPECT_FALSE(pre.is_known) << name;
  }
}

}  // namespace
}  // namespace stkit::gguf_export
