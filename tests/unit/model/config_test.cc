#include "model/config.h"

#include <gtest/gtest.h>

namespace stkit {
namespace {

ConfigSummary summary(const char* text) { return summarise_config(*JsonValue::parse(text)); }

struct SummaryCase {
  const char* family;
  const char* config;
  uint64_t layers, hidden_size, heads, kv_heads, vocab_size, context_length, experts;
};

TEST(Config, NumbersUnderTheNamesOfEachFamily) {
  const SummaryCase cases[] = {
      {"llama",
       R"({"num_hidden_layers":32,"hidden_size":4096,"num_attention_heads":32,
           "num_key_value_heads":8,"vocab_size":128256,"max_position_embeddings":131072})",
       32, 4096, 32, 8, 128256, 131072, 0},
      {"gpt2", R"({"n_layer":12,"n_embd":768,"n_head":12,"vocab_size":50257,"n_positions":1024})",
       12, 768, 12, 12, 50257, 1024, 0},
      {"t5", R"({"num_layers":6,"d_model":512,"num_heads":8,"vocab_size":32128})", 6, 512, 8, 8,
       32128, 0, 0},
      {"mixtral", R"({"num_hidden_layers":32,"num_local_experts":8})", 32, 0, 0, 0, 0, 0, 8},
      {"deepseek", R"({"num_hidden_layers":61,"n_routed_experts":256})", 61, 0, 0, 0, 0, 0, 256},
      {"nested", R"({"vision_config":{"num_hidden_layers":9},
                     "text_config":{"num_hidden_layers":26,"hidden_size":1152}})",
       26, 1152, 0, 0, 0, 0, 0},
      {"nested twice", R"({"thinker_config":{"text_config":{"hidden_size":3584}}})", 0, 3584, 0, 0,
       0, 0, 0},
      {"null is not there", R"({"hidden_size":null,"text_config":{"hidden_size":7}})", 0, 7, 0, 0,
       0, 0, 0},
      {"wrong types count as absent", R"({"hidden_size":"big","num_hidden_layers":-1,
                                          "n_layer":3.5,"vocab_size":[1]})",
       0, 0, 0, 0, 0, 0, 0},
      {"nothing", "{}", 0, 0, 0, 0, 0, 0, 0},
  };
  for (const SummaryCase& c : cases) {
    const ConfigSummary found = summary(c.config);
    EXPECT_EQ(found.layers, c.layers) << c.family;
    EXPECT_EQ(found.hidden_size, c.hidden_size) << c.family;
    EXPECT_EQ(found.heads, c.heads) << c.family;
    EXPECT_EQ(found.kv_heads, c.kv_heads) << c.family;
    EXPECT_EQ(found.vocab_size, c.vocab_size) << c.family;
    EXPECT_EQ(found.context_length, c.context_length) << c.family;
    EXPECT_EQ(found.experts, c.experts) << c.family;
  }
}

TEST(Config, TopLevelWinsOverNested) {
  const Result<JsonValue> json =
      JsonValue::parse(R"({"hidden_size":1,"text_config":{"hidden_size":2,"x":3}})");
  ASSERT_TRUE(json);
  EXPECT_EQ(config_field(*json, "hidden_size")->as_uint(), 1u);
  EXPECT_EQ(config_field(*json, "x")->as_uint(), 3u);
  EXPECT_EQ(config_field(*json, "y"), nullptr);
}

}  // namespace
}  // namespace stkit
