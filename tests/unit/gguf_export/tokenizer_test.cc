#include "gguf_export/tokenizer/tokenizer.h"

#include <gtest/gtest.h>

#include <cstring>

#include "export_model.h"
#include "gguf_export/tokenizer/sentencepiece.h"

namespace stkit::gguf_export {
namespace {

constexpr int32_t kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6;

// --- SentencePiece models made by hand: protobuf is keys, varints and lengths -----------------

std::string bytes_field(int number, std::string_view bytes) {
  return std::string(1, static_cast<char>(number << 3 | 2)) +
         std::string(1, static_cast<char>(bytes.size())) + std::string(bytes);
}
std::string varint_field(int number, int value) {
  return {static_cast<char>(number << 3), static_cast<char>(value)};
}
std::string piece(std::string_view text, float score, int type) {
  std::string bits(4, '\0');
  std::memcpy(bits.data(), &score, 4);
  std::string message = bytes_field(1, text) + std::string(1, '\x15') + bits;
  if (type != 1) message += varint_field(3, type);  // 1 is the default, which is left out
  return bytes_field(1, message);
}
std::string sentencepiece_bytes() {
  return piece("<unk>", 0, 2) + piece("<s>", 0, 3) + piece("<0x0A>", 0, 6) +
         piece("\xE2\x96\x81the", -1.5f, 1) + piece("<user>", 0, 4) +
         bytes_field(2, varint_field(3, 2) + varint_field(35, 1).substr(0, 0)) +
         bytes_field(3, varint_field(3, 0));
}

Result<SentencePieceModel> parse(std::string_view bytes) {
  return parse_sentencepiece(std::as_bytes(std::span(bytes)));
}

TEST(SentencePiece, PiecesAndSettings) {
  const std::string bytes = sentencepiece_bytes();
  const auto model = parse(bytes);
  ASSERT_TRUE(model) << model.error().message;
  ASSERT_EQ(model->pieces.size(), 5u);
  EXPECT_EQ(model->pieces[3].text, "\xE2\x96\x81the");
  EXPECT_EQ(model->pieces[3].score, -1.5f);
  EXPECT_EQ(model->pieces[3].type, TokenType::Normal);
  EXPECT_EQ(model->pieces[2].type, TokenType::Byte);
  EXPECT_EQ(model->kind, SentencePieceModel::Kind::Bpe);
  EXPECT_FALSE(model->add_dummy_prefix);
  EXPECT_TRUE(model->remove_extra_whitespaces);
}

TEST(SentencePiece, FieldsOfNoInterestAreSkipped) {
  const std::string more = std::string("\x49") + std::string(8, 'x') +  // 9: 8 bytes
                           std::string("\x55") + std::string(4, 'x') +  // 10: 4 bytes
                           std::string("\xF8\x01\xFF\x01") + bytes_field(7, "self test");
  const std::string bytes = more + sentencepiece_bytes() + more;
  const auto model = parse(bytes);
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_EQ(model->pieces.size(), 5u);
}

TEST(SentencePiece, EveryTruncationAndFlipIsAnErrorOrAModel) {
  const std::string bytes = sentencepiece_bytes();
  size_t refused = 0;
  for (size_t length = 0; length < bytes.size(); ++length) {
    const auto model = parse(bytes.substr(0, length));
    refused += !model;
    if (!model) {
      EXPECT_EQ(model.error().code, ErrorCode::Corrupt);
    }
  }
  EXPECT_GT(refused, bytes.size() / 2);
  for (size_t i = 0; i < bytes.size(); ++i)
    for (const unsigned flip : {0x01u, 0x80u, 0xFFu}) {
      std::string flipped = bytes;
      flipped[i] = static_cast<char>(static_cast<unsigned char>(flipped[i]) ^ flip);
      if (const auto model = parse(flipped)) {
        EXPECT_FALSE(model->pieces.empty());
      }
    }
}

TEST(SentencePiece, ForgedMessagesAreRefused) {
  struct Case {
    const char* name;
    std::string bytes;
    const char* message;
  };
  const Case cases[] = {
      {"empty", "", "it has no pieces"},
      {"group", "\x0B", "no kind that the format has"},
      {"a length beyond the end", "\x0A\x7F", "SentencePiece model"},
      {"a length of 2^63", "\x0A\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F", "SentencePiece model"},
      {"an endless number", "\x08" + std::string(11, '\xFF'), "more than 10 bytes"},
      {"a type that is none", piece("x", 0, 9), "unknown type"},
      {"a kind that is none", piece("x", 0, 1) + bytes_field(2, varint_field(3, 8)),
       "unknown type"},
  };
  for (const Case& c : cases) {
    const auto model = parse(c.bytes);
    ASSERT_FALSE(model) << c.name;
    EXPECT_EQ(model.error().code, ErrorCode::Corrupt) << c.name;
    EXPECT_NE(model.error().message.find(c.message), std::string::npos)
        << c.name << ": " << model.error().message;
  }
}

// --- What a model's files become
// ------------------------------------------------------------------

ExportPlan planned(ExportModel& source) {
  auto plan = source.plan();
  EXPECT_TRUE(plan) << plan.error().message;
  return plan ? std::move(*plan) : ExportPlan{MetadataBuilder(""), {}, {}, {}};
}

using Texts = std::vector<std::string>;
using Types = std::vector<int32_t>;

TEST(Tokenizer, BytesAreKeptAndRowsWithoutATokenAreUnused) {
  ExportModel source(llama_builder(), kLlamaConfig);
  const ExportPlan plan = planned(source);
  EXPECT_EQ(text_key(plan, "tokenizer.ggml.model"), "gpt2");
  EXPECT_EQ(text_key(plan, "tokenizer.ggml.pre"), "gpt-2");
  EXPECT_EQ(texts_key(plan, "tokenizer.ggml.tokens"),
            (Texts{"a", "b", "ab", "Ġ", "<|end|>", "[PAD5]"}));
  EXPECT_EQ(numbers_key<int32_t>(plan, "tokenizer.ggml.token_type"),
            (Types{kNormal, kNormal, kNormal, kNormal, kControl, kUnused}));
  EXPECT_EQ(texts_key(plan, "tokenizer.ggml.merges"), Texts{"a b"});
  EXPECT_FALSE(plan.metadata.has("tokenizer.ggml.scores"));
  EXPECT_FALSE(plan.metadata.has("tokenizer.ggml.add_space_prefix"));
}

TEST(Tokenizer, AddedTokensMergesAndSpaces) {
  ExportModel source(llama_builder(), kLlamaConfig);
  source.file("tokenizer.json", R"({
    "added_tokens": [{"id": 3, "content": "<|x|>", "special": false},
                     {"id": 4, "content": "a▁▁b", "special": false},
                     {"id": 5, "content": "plain", "special": true}],
    "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2, "<|x|>": 3},
              "merges": [["a", " b"], "a b"]}})");
  const ExportPlan plan = planned(source);
  EXPECT_EQ(texts_key(plan, "tokenizer.ggml.tokens"),
            (Texts{"a", "b", "ab", "<|x|>", "a  b", "plain"}));
  EXPECT_EQ(numbers_key<int32_t>(plan, "tokenizer.ggml.token_type"),
            (Types{kNormal, kNormal, kNormal, kControl, kUserDefined, kControl}));
  EXPECT_EQ(texts_key(plan, "tokenizer.ggml.merges"), (Texts{"a Ġb", "a b"}));
}

TEST(Tokenizer, SentencePieceWithTheTokensBesideIt) {
  ExportModel source(llama_builder(), kLlamaConfig);
  source.without("tokenizer.json")
      .file("tokenizer.model", sentencepiece_bytes())
      .file("added_tokens.json", R"({"<tool>": 5, "<beyond>": 99})")
      .file("tokenizer_config.json", R"({"add_prefix_space": true, "add_bos_token": true,
        "added_tokens_decoder": {"4": {"content": "<|turn|>", "special": false},
                                 "123": {"content": "beyond"}}})");
  const ExportPlan plan = planned(source);
  EXPECT_EQ(text_key(plan, "tokenizer.ggml.model"), "llama");
  EXPECT_EQ(text_key(plan, "tokenizer.ggml.pre"), "default");
  EXPECT_EQ(texts_key(plan, "tokenizer.ggml.tokens"),
            (Texts{"<unk>", "<s>", "<0x0A>", "▁the", "<|turn|>", "<tool>"}));
  EXPECT_EQ(numbers_key<int32_t>(plan, "tokenizer.ggml.token_type"),
            (Types{kUnknown, kControl, kByte, kNormal, kControl, kUserDefined}));
  EXPECT_EQ(numbers_key<float>(plan, "tokenizer.ggml.scores"),
            (std::vector<float>{0, 0, 0, -1.5f, -1000, -1000}));
  EXPECT_EQ(flag_key(plan, "tokenizer.ggml.add_space_prefix"), true);
  EXPECT_EQ(flag_key(plan, "tokenizer.ggml.add_bos_token"), true);
}

TEST(Tokenizer, ALeftoverModelOfAnotherTokenizerIsNotTaken) {
  ExportModel source(llama_builder(), kLlamaConfig);
  source.file("tokenizer.model", sentencepiece_bytes());
  EXPECT_EQ(text_key(planned(source), "tokenizer.ggml.model"), "gpt2");
}

TEST(Tokenizer, SentencePieceFromTokenizerJsonAlone) {
  ExportModel source(llama_builder(), kLlamaConfig);
  source.file("tokenizer.json", R"({
    "added_tokens": [{"id": 0, "content": "<s>", "special": true},
                     {"id": 5, "content": "<tool>", "special": false}],
    "decoder": {"type": "Sequence", "decoders": []},
    "model": {"type": "BPE", "byte_fallback": true, "merges": ["▁ a", "▁a b"],
              "vocab": {"<s>": 0, "<0x0A>": 1, "▁ab": 2, "▁a": 3, "b": 4}}})");
  const ExportPlan plan = planned(source);
  EXPECT_EQ(text_key(plan, "tokenizer.ggml.model"), "llama");
  EXPECT_EQ(numbers_key<int32_t>(plan, "tokenizer.ggml.token_type"),
            (Types{kControl, kByte, kNormal, kNormal, kNormal, kUserDefined}));
  // The first merge is the best; what no merge makes comes behind all of them.
  EXPECT_EQ(numbers_key<float>(plan, "tokenizer.ggml.scores"),
            (std::vector<float>{-1000, -1000, -1, 0, -2, -1000}));
  EXPECT_FALSE(plan.metadata.has("tokenizer.ggml.merges"));
}

TEST(Tokenizer, WordPieceMarksBeginnings) {
  ExportModel source(llama_builder(), kLlamaConfig);
  source.file("tokenizer.json", R"({
    "added_tokens": [{"id": 0, "content": "[UNK]", "special": true}],
    "normalizer": {"type": "BertNormalizer", "lowercase": true, "strip_accents": null},
    "model": {"type": "WordPiece", "vocab": {"[UNK]": 0, "go": 1, "##ing": 2, "##s": 3}}})");
  const ExportPlan plan = planned(source);
  EXPECT_EQ(text_key(plan, "tokenizer.ggml.model"), "bert");
  EXPECT_EQ(texts_key(plan, "tokenizer.ggml.tokens"),
            (Texts{"[UNK]", "▁go", "ing", "s", "▁[PAD4]", "▁[PAD5]"}));
  EXPECT_EQ(flag_key(plan, "tokenizer.ggml.normalizer.lowercase"), true);
  EXPECT_FALSE(plan.metadata.has("tokenizer.ggml.normalizer.strip_accents"));
}

TEST(Tokenizer, UnigramHasScores) {
  ExportModel source(llama_builder(), kLlamaConfig);
  source.file("tokenizer.json", R"({"added_tokens": [{"id": 0, "content": "<s>", "special": true}],
    "model": {"type": "Unigram", "unk_id": 1, "vocab": [["<s>", 0], ["<unk>", 0], ["▁x", -2.5]]}})");
  const ExportPlan plan = planned(source);
  EXPECT_EQ(text_key(plan, "tokenizer.ggml.model"), "t5");
  EXPECT_EQ(numbers_key<int32_t>(plan, "tokenizer.ggml.token_type"),
            (Types{kControl, kUnknown, kNormal, kUnused, kUnused, kUnused}));
  EXPECT_EQ(numbers_key<float>(plan, "tokenizer.ggml.scores")[2], -2.5f);
}

TEST(Tokenizer, ThePreTokenizerCanBeSaid) {
  ExportModel source(llama_builder(), kLlamaConfig);
  const auto plan = source.plan({.pre_tokenizer = "tekken"});
  ASSERT_TRUE(plan);
  EXPECT_EQ(text_key(*plan, "tokenizer.ggml.pre"), "tekken");
}

TEST(Tokenizer, AnUnknownPreTokenizerIsANoteAndTheNearest) {
  ExportModel source(llama_builder(), kLlamaConfig);
  std::string json(kByteLevelTokenizer);
  const std::string_view known = R"("type": "ByteLevel", "add_prefix_space": false)";
  json.replace(json.find(known), known.size(),
               R"("type": "Split", "pattern": {"Regex": "\\p{N}{1,3}|magic"})");
  source.file("tokenizer.json", json);
  const ExportPlan plan = planned(source);
  EXPECT_EQ(text_key(plan, "tokenizer.ggml.pre"), "dbrx");
  ASSERT_EQ(plan.notes.size(), 1u);
  EXPECT_NE(plan.notes[0].find("magic"), std::string::npos) << plan.notes[0];
}

struct SpecialCase {
  const char* name;
  std::string tokenizer;  // fields of tokenizer.json
  std::string config;     // tokenizer_config.json
  std::vector<std::pair<std::string, std::optional<uint64_t>>> ids;
  std::vector<std::pair<std::string, std::optional<bool>>> flags;
};

TEST(Tokenizer, SpecialTokensAndWhetherTheyAreAdded) {
  const std::string added = R"("added_tokens": [
    {"id": 1, "content": "<s>", "special": true}, {"id": 2, "content": "</s>", "special": true},
    {"id": 3, "content": "<turn>", "special": true}, {"id": 4, "content": "<sep>"}],
    "model": {"type": "BPE", "vocab": {"a": 0}, "merges": []},)";
  const SpecialCase cases[] = {
      {"by text, as a string or an object",
       R"("post_processor": null)",
       R"({"bos_token": "<s>", "eos_token": {"content": "</s>"}, "unk_token": "nowhere",
           "sep_token": "<sep>", "add_bos_token": true, "add_eos_token": false})",
       {{"bos", 1}, {"eos", 2}, {"unknown", std::nullopt}, {"seperator", 4}},
       {{"bos", true}, {"eos", false}, {"sep", std::nullopt}}},
      {"by number, from config.json",
       R"("post_processor": null)",
       "{}",
       {{"bos", 5}, {"padding", std::nullopt}},
       {{"bos", std::nullopt}}},
      {"a template that begins with BOS",
       R"("post_processor": {"type": "TemplateProcessing",
         "single": [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}],
         "pair": [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}},
                  {"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "B"}}]})",
       R"({"bos_token": "<s>", "eos_token": "</s>", "add_bos_token": false})",
       {{"bos", 1}, {"eos", 2}},
       {{"bos", true}, {"eos", std::nullopt}, {"sep", false}}},
      {"a template that ends with the end of a turn",
       R"("post_processor": {"type":
         "TemplateProcessing", "single": [{"Sequence": {"id": "A"}},
         {"SpecialToken": {"id": "<turn>"}}], "pair": []})",
       R"({"eos_token": "</s>"})",
       {{"eos", 3}, {"eot", 2}},
       {{"eos", true}}},
      {"a template with a separator",
       R"("post_processor": {"type": "Sequence", "processors": [
         {"type": "TemplateProcessing",
         "single": [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}],
         "pair": [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}},
                  {"SpecialToken": {"id": "<sep>"}}, {"Sequence": {"id": "B"}}]}]})",
       R"({"cls_token": "<s>", "sep_token": "<sep>"})",
       {{"bos", 1}, {"eos", 4}, {"seperator", 4}},
       {{"bos", true}, {"sep", true}}},
      {"RoBERTa",
       R"("post_processor": {"type": "RobertaProcessing", "cls": ["<s>", 1],
         "sep": ["</s>", 2]})",
       "{}",
       {{"bos", 5}, {"seperator", 2}},
       {{"bos", true}, {"eos", true}, {"sep", true}}},
      {"bytes",
       R"("post_processor": {"type": "ByteLevel"})",
       R"({"bos_token": "<s>", "add_bos_token": true})",
       {{"bos", 1}},
       {{"bos", false}, {"eos", false}}},
      {"nothing behind the embedding",
       R"("post_processor": null)",
       R"({"eos_token": "none"})",
       {{"eos", std::nullopt}},
       {}},
  };
  std::string config(kLlamaConfig);
  config.insert(config.rfind('}'), R"(, "bos_token_id": 5, "eos_token_id": 6, "pad_token_id": -1)");
  for (const SpecialCase& c : cases) {
    SCOPED_TRACE(c.name);
    ExportModel source(llama_builder(), config);
    source.file("tokenizer.json", "{" + added + c.tokenizer + "}")
        .file("tokenizer_config.json", c.config);
    const ExportPlan plan = planned(source);
    for (const auto& [role, id] : c.ids)
      EXPECT_EQ(uint_key(plan, "tokenizer.ggml." + role + "_token_id"), id) << role;
    for (const auto& [role, flag] : c.flags)
      EXPECT_EQ(flag_key(plan, "tokenizer.ggml.add_" + role + "_token"), flag) << role;
  }
}

TEST(Tokenizer, ChatTemplatesFromAllPlaces) {
  const auto planned_with = [](auto edit) {
    ExportModel source(llama_builder(), kLlamaConfig);
    edit(source);
    return planned(source);
  };
  const ExportPlan own = planned_with([](ExportModel& m) {
    m.file("tokenizer_config.json", R"({"chat_template": "own"})").file("chat_template.jinja", "x");
  });
  EXPECT_EQ(text_key(own, "tokenizer.chat_template"), "own");
  const ExportPlan several = planned_with([](ExportModel& m) {
    m.file("tokenizer_config.json", R"({"chat_template": [
      {"name": "default", "template": "d"}, {"name": "tool-use", "template": "t"}]})");
  });
  EXPECT_EQ(text_key(several, "tokenizer.chat_template"), "d");
  EXPECT_EQ(text_key(several, "tokenizer.chat_template.tool_use"), "t");
  EXPECT_EQ(texts_key(several, "tokenizer.chat_templates"), Texts{"tool_use"});
  const ExportPlan files = planned_with([](ExportModel& m) {
    m.file("chat_template.jinja", "main\n").file("additional_chat_templates/rag.jinja", "r");
  });
  EXPECT_EQ(text_key(files, "tokenizer.chat_template"), "main\n");
  EXPECT_EQ(text_key(files, "tokenizer.chat_template.rag"), "r");
  const ExportPlan json = planned_with(
      [](ExportModel& m) { m.file("chat_template.json", R"({"chat_template": "j"})"); });
  EXPECT_EQ(text_key(json, "tokenizer.chat_template"), "j");
  const ExportPlan none = planned_with([](ExportModel&) {});
  EXPECT_FALSE(none.metadata.has("tokenizer.chat_template"));
}

TEST(Tokenizer, WhatCannotBeExportedSaysWhy) {
  struct Case {
    const char* name;
    void (*edit)(ExportModel&);
    ErrorCode code;
    const char* message;
  };
  const Case cases[] = {
      {"none", [](ExportModel& m) { m.without("tokenizer.json"); }, ErrorCode::NotFound,
       "there is no tokenizer.json"},
      {"a token beyond the embedding",
       [](ExportModel& m) {
         m.file("tokenizer.json", R"({"model": {"type": "BPE", "vocab": {"a": 6}, "merges": []}})");
       },
       ErrorCode::Corrupt, "'a' of tokenizer.json has the id 6, but the embedding has 6 rows"},
      {"two tokens of one text",
       [](ExportModel& m) {
         m.file("tokenizer.json", R"({"added_tokens": [{"id": 1, "content": "a"}],
                                      "model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}})");
       },
       ErrorCode::Corrupt, "tokens 0 and 1 of the tokenizer are the same: 'a'"},
      {"a kind of its own",
       [](ExportModel& m) { m.file("tokenizer.json", R"({"model": {"type": "Magic"}})"); },
       ErrorCode::Unsupported, "a model of type 'Magic'"},
      {"no JSON", [](ExportModel& m) { m.file("tokenizer.json", "{"); }, ErrorCode::Corrupt, ""},
      {"an id that is none",
       [](ExportModel& m) {
         m.file("tokenizer.json", R"({"model": {"type": "BPE", "vocab": {"a": -1}}})");
       },
       ErrorCode::Corrupt, ""},
      {"an added token without an id",
       [](ExportModel& m) { m.file("tokenizer.json", R"({"added_tokens": [{"content": "x"}]})"); },
       ErrorCode::Corrupt, "has no id"},
      {"half a SentencePiece model",
       [](ExportModel& m) {
         m.without("tokenizer.json").file("tokenizer.model", sentencepiece_bytes().substr(0, 5));
       },
       ErrorCode::Corrupt, "SentencePiece model"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    ExportModel source(llama_builder(), kLlamaConfig);
    c.edit(source);
    const auto plan = source.plan();
    ASSERT_FALSE(plan);
    EXPECT_EQ(plan.error().code, c.code);
    EXPECT_NE(plan.error().message.find(c.message), std::string::npos) << plan.error().message;
  }
}

}  // namespace
}  // namespace stkit::gguf_export
