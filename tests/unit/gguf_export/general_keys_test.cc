#include "gguf_export/general_keys.h"

#include <gtest/gtest.h>

#include "export_model.h"
#include "gguf_export/model_card.h"
#include "gguf_export/model_id.h"

namespace stkit::gguf_export {
namespace {

TEST(ModelId, WhatTheNamesOfModelsSay) {
  struct Case {
    const char* id;
    uint64_t parameters;
    const char *organization, *basename, *size, *finetune, *version;
  };
  constexpr uint64_t kB = 1'000'000'000;
  const Case cases[] = {
      {"Qwen/Qwen2.5-0.5B-Instruct", kB / 2, "Qwen", "Qwen2.5", "0.5B", "Instruct", ""},
      {"Mistral-7B-Instruct-v0.3", 7 * kB, "", "Mistral", "7B", "Instruct", "v0.3"},
      {"Mixtral-8x7B-v0.1", 47 * kB, "", "Mixtral", "8x7B", "", "v0.1"},
      {"Llama-3.2-1B", kB, "", "Llama-3.2", "1B", "", ""},
      {"Phi-3-mini-128k-instruct", 4 * kB, "", "Phi-3", "mini", "128k-instruct", ""},
      {"Qwen3-30B-A3B", 30 * kB, "", "Qwen3", "30B-A3B", "", ""},
      {"bloom-7b1", 7 * kB, "", "bloom", "7.1B", "", ""},
      {"gpt2", kB, "", "", "", "", ""},
      {"tiny-model-Q4_K_M", 0, "", "", "", "", ""},
      {"A model with a sentence", 0, "", "", "", "", ""},
      {"./local-1B", kB, "", "local", "1B", "", ""},
  };
  for (const Case& c : cases) {
    const ModelId id = parse_model_id(c.id, c.parameters);
    EXPECT_EQ(id.organization, c.organization) << c.id;
    EXPECT_EQ(id.basename, c.basename) << c.id;
    EXPECT_EQ(id.size_label, c.size) << c.id;
    EXPECT_EQ(id.finetune, c.finetune) << c.id;
    EXPECT_EQ(id.version, c.version) << c.id;
  }
}

TEST(ModelId, Titles) {
  EXPECT_EQ(title_of("Qwen2.5-0.5b-instruct"), "Qwen2.5 0.5b Instruct");
  EXPECT_EQ(title_of("meta-llama"), "Meta Llama");
  EXPECT_EQ(title_of("some-model-v0.3"), "Some Model v0.3");
  EXPECT_EQ(title_of(""), "");
}

TEST(ModelCard, WhatCardsAreMadeOf) {
  const ModelCard card = ModelCard::parse(
      "---\r\n"
      "license: apache-2.0  # as the paper says\n"
      "language:\n- en\n  - \"no\"\n"
      "tags: [a, 'b c', ]\n"
      "\n# a comment\n"
      "base_model: \"org/base: 7B\"\n"
      "model-index:\n- name: x\n  results:\n    - task:\n        type: y\n"
      "description: >\n  folded\n  text\n"
      "empty:\nnothing: null\n"
      "---\n"
      "license: mit\n");
  EXPECT_EQ(card.value("license"), "apache-2.0");
  EXPECT_EQ(card.values("language"), (std::vector<std::string>{"en", "no"}));
  EXPECT_EQ(card.values("tags"), (std::vector<std::string>{"a", "b c"}));
  EXPECT_EQ(card.value("base_model"), "org/base: 7B");
  for (const char* key : {"model-index", "description", "empty", "nothing", "results", "absent"})
    EXPECT_EQ(card.value(key), "") << key;
}

TEST(ModelCard, TextWithoutFrontMatterSaysNothing) {
  for (const char* text : {"", "# Title\nlicense: mit\n", "--- \nlicense: mit\n", "---"})
    EXPECT_EQ(ModelCard::parse(text).value("license"), "") << text;
  EXPECT_EQ(ModelCard::parse("---\nlicense: mit").value("license"), "mit") << "never closed";
}

TEST(GeneralKeys, FromTheCardAndTheSettings) {
  ExportModel source(llama_builder(), kLlamaConfig);
  source
      .file("README.md",
            "---\nname: My Model\nlicense:\n- mit\n- other\nlicense_link: https://x.y\n"
            "tags:\n- chat\npipeline_tag: text-generation\nlanguage: en\n"
            "base_model: org/Base-7B-v2\ndatasets:\n- a/b\n- https://huggingface.co/c/d\n---\n")
      .file("generation_config.json",
            R"({"top_k": 20, "temperature": 0.6, "repetition_penalty": 1.5, "top_p": "x"})");
  const auto plan = source.plan();
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_EQ(text_key(*plan, "general.type"), "model");
  EXPECT_EQ(text_key(*plan, "general.name"), "My Model");
  EXPECT_EQ(text_key(*plan, "general.license"), "mit,other");
  EXPECT_EQ(text_key(*plan, "general.license.link"), "https://x.y");
  EXPECT_EQ(texts_key(*plan, "general.tags"),
            (std::vector<std::string>{"chat", "text-generation"}));
  EXPECT_EQ(texts_key(*plan, "general.languages"), std::vector<std::string>{"en"});
  EXPECT_EQ(uint_key(*plan, "general.base_model.count"), 1);
  EXPECT_EQ(text_key(*plan, "general.base_model.0.name"), "Base 7B v2");
  EXPECT_EQ(text_key(*plan, "general.base_model.0.organization"), "Org");
  EXPECT_EQ(text_key(*plan, "general.base_model.0.version"), "v2");
  EXPECT_EQ(text_key(*plan, "general.base_model.0.repo_url"),
            "https://huggingface.co/org/Base-7B-v2");
  EXPECT_EQ(text_key(*plan, "general.dataset.1.repo_url"), "https://huggingface.co/c/d");
  EXPECT_EQ(text_key(*plan, "general.dataset.1.name"), "D");
  const auto metadata = plan->metadata.entries();
  EXPECT_EQ(std::get<int32_t>(*find(metadata, "general.sampling.top_k")), 20);
  EXPECT_EQ(std::get<float>(*find(metadata, "general.sampling.temp")), 0.6f);
  EXPECT_EQ(std::get<float>(*find(metadata, "general.sampling.penalty_repeat")), 1.5f);
  EXPECT_FALSE(plan->metadata.has("general.sampling.top_p"));
}

TEST(GeneralKeys, ANameThatIsSaidGoesFirst) {
  ExportModel source(llama_builder(), kLlamaConfig);
  source.file("README.md", "---\nname: Card\n---\n");
  const auto plan = source.plan({.name = "Said"});
  ASSERT_TRUE(plan);
  EXPECT_EQ(text_key(*plan, "general.name"), "Said");
}

TEST(GeneralKeys, SizeLabels) {
  const auto label = [](std::vector<std::pair<std::string, std::vector<uint64_t>>> shapes) {
    std::vector<ExportTensor> tensors;
    for (auto& [name, shape] : shapes)
      tensors.push_back({name, shape, {.boxes = {run_of(0, 0, *element_count(shape))}}});
    return size_label(tensors);
  };
  EXPECT_EQ(label({{"a", {596'000'000}}}), "596M");
  EXPECT_EQ(label({{"a", {8'030'000'000}}}), "8.0B");
  EXPECT_EQ(label({{"a", {32'800'000'000}}}), "33B");
  EXPECT_EQ(label({{"a", {1'500}}}), "1.5K");
  EXPECT_EQ(label({{"a", {1'000'000'000}}, {"blk.0.ffn_up_exps.weight", {8, 100, 10'000'000}}}),
            "8x2.0B");
}

}  // namespace
}  // namespace stkit::gguf_export
