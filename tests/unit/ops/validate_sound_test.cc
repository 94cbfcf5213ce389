// Models as they are published, in miniature: nothing may be reported of them but notes. Each row
// is a convention that a rule could trip over.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <functional>

#include "unit/ops/validate_model.h"

namespace stkit::test {
namespace {

struct Sound {
  const char* name;
  std::function<TinyModel()> make;
};

void PrintTo(const Sound& sound, std::ostream* out) { *out << sound.name; }

TinyModel tied_llama_with_rope_buffers() {
  TinyModel model = llama();
  model.tensors.erase("lm_head.weight");
  model.config["tie_word_embeddings"] = "true";
  model.add_layers(4, "model.layers.%.self_attn.rotary_emb.inv_freq", {2}, DType::F32);
  return model;
}

TinyModel sharded() {
  TinyModel model = llama();
  model.shards = 5;
  return model;
}

TinyModel qwen_moe_with_dense_layers() {
  TinyModel model = llama();
  model.config["architectures"] = R"(["Qwen3MoeForCausalLM"])";
  model.config["model_type"] = R"("qwen3_moe")";
  model.config["head_dim"] = "4";
  model.config["num_experts"] = "3";
  model.config["moe_intermediate_size"] = "6";
  model.config["mlp_only_layers"] = "[0]";
  for (const int layer : {1, 2, 3}) {
    for (const char* part : {"gate_proj", "up_proj", "down_proj"}) {
      model.tensors.erase(fmt::format("model.layers.{}.mlp.{}.weight", layer, part));
      const bool down = std::string_view(part) == "down_proj";
      for (int expert = 0; expert < 3; ++expert)
        model.add(fmt::format("model.layers.{}.mlp.experts.{}.{}.weight", layer, expert, part),
                  down ? std::vector<uint64_t>{8, 6} : std::vector<uint64_t>{6, 8});
    }
    model.add(fmt::format("model.layers.{}.mlp.gate.weight", layer), {3, 8});
  }
  model.add_layers(4, "model.layers.%.self_attn.q_norm.weight", {4});
  model.add_layers(4, "model.layers.%.self_attn.k_norm.weight", {4});
  return model;
}

// Latent attention, block scales, and a layer for the next-but-one token behind the others.
TinyModel deepseek_v3() {
  TinyModel model = llama();
  model.config["architectures"] = R"(["DeepseekV3ForCausalLM"])";
  model.config["model_type"] = R"("deepseek_v3")";
  model.config["num_nextn_predict_layers"] = "1";
  model.config["n_routed_experts"] = "2";
  model.config["moe_intermediate_size"] = "16";
  model.config["first_k_dense_replace"] = "1";
  model.config["quantization_config"] =
      R"({"quant_method": "fp8", "weight_block_size": [128, 128]})";
  std::erase_if(model.tensors, [](const auto& t) { return t.first.starts_with("model.layers."); });
  for (int layer = 0; layer < 5; ++layer) {
    const std::string stack = fmt::format("model.layers.{}.", layer);
    const auto fp8 = [&](const std::string& name, std::vector<uint64_t> shape) {
      model.add(stack + name + ".weight", std::move(shape), DType::F8_E4M3);
      model.add(stack + name + ".weight_scale_inv", {1, 1}, DType::F32);
    };
    fp8("self_attn.q_a_proj", {5, 8});
    fp8("self_attn.q_b_proj", {12, 5});
    fp8("self_attn.kv_a_proj_with_mqa", {6, 8});
    fp8("self_attn.o_proj", {8, 20});
    model.add(stack + "input_layernorm.weight", {8});
    model.add(stack + "post_attention_layernorm.weight", {8});
    if (layer == 0) {
      fp8("mlp.gate_proj", {16, 8});
      fp8("mlp.up_proj", {16, 8});
      fp8("mlp.down_proj", {8, 16});
    } else {
      model.add(stack + "mlp.gate.weight", {2, 8});
      model.add(stack + "mlp.gate.e_score_correction_bias", {2}, DType::F32);
      for (const char* expert : {"experts.0", "experts.1", "shared_experts"}) {
        fp8(fmt::format("mlp.{}.gate_proj", expert), {16, 8});
        fp8(fmt::format("mlp.{}.up_proj", expert), {16, 8});
        fp8(fmt::format("mlp.{}.down_proj", expert), {8, 16});
      }
    }
  }
  for (const char* extra : {"enorm", "hnorm", "shared_head.norm"})
    model.add(fmt::format("model.layers.4.{}.weight", extra), {8});
  model.add("model.layers.4.eh_proj.weight", {8, 16});
  model.add("model.layers.4.embed_tokens.weight", {32, 8});
  model.add("model.layers.4.shared_head.head.weight", {32, 8});
  return model;
}

TinyModel gemma3_with_images() {
  TinyModel model;
  model.config = {{"architectures", R"(["Gemma3ForConditionalGeneration"])"},
                  {"model_type", R"("gemma3")"},
                  {"torch_dtype", R"("bfloat16")"},
                  {"text_config",
                   R"({"model_type": "gemma3_text", "hidden_size": 8, "intermediate_size": 16,
                       "num_hidden_layers": 4})"},
                  {"vision_config", R"({"hidden_size": 12, "num_hidden_layers": 2})"}};
  model.files = {{"tokenizer.json", tokenizer_json(30)},
                 {"preprocessor_config.json", R"({"do_resize": true})"}};
  add_llama_tensors(model, 4, "language_model.model.layers.", "language_model.model.");
  model.add_layers(2, "vision_tower.vision_model.encoder.layers.%.mlp.fc1.weight", {20, 12});
  model.add("multi_modal_projector.mm_input_projection_weight", {12, 8});
  return model;
}

// Its tokenizer keeps the image token of its larger siblings.
TinyModel gemma3_text_only() {
  TinyModel model = llama();
  model.config["architectures"] = R"(["Gemma3ForCausalLM"])";
  model.config["model_type"] = R"("gemma3_text")";
  model.config["head_dim"] = "4";
  model.config.erase("tie_word_embeddings");
  model.tensors.erase("lm_head.weight");
  model.files["tokenizer.json"] = tokenizer_json(32, {"<image_soft_token>"});
  return model;
}

// Conv1D stores its matrices transposed.
TinyModel gpt2() {
  TinyModel model;
  model.config = {{"architectures", R"(["GPT2LMHeadModel"])"},
                  {"model_type", R"("gpt2")"},
                  {"n_embd", "8"},
                  {"n_layer", "3"},
                  {"n_head", "2"},
                  {"vocab_size", "32"}};
  model.files = {{"vocab.json", R"({"a": 0})"},
                 {"merges.txt", "#version: 0.2\n"},
                 {"tokenizer.json", tokenizer_json(32)}};
  model.add("wte.weight", {32, 8}, DType::F32);
  model.add("wpe.weight", {16, 8}, DType::F32);
  model.add_layers(3, "h.%.attn.c_attn.weight", {8, 24}, DType::F32);
  model.add_layers(3, "h.%.attn.c_proj.weight", {8, 8}, DType::F32);
  model.add_layers(3, "h.%.attn.bias", {1, 1, 16, 16}, DType::F32);
  model.add_layers(3, "h.%.mlp.c_fc.weight", {8, 32}, DType::F32);
  model.add_layers(3, "h.%.mlp.c_proj.weight", {32, 8}, DType::F32);
  return model;
}

TinyModel bert() {
  TinyModel model;
  model.config = {{"architectures", R"(["BertForMaskedLM"])"},
                  {"model_type", R"("bert")"},
                  {"hidden_size", "8"},
                  {"num_hidden_layers", "3"},
                  {"vocab_size", "32"},
                  {"intermediate_size", "32"},
                  {"num_attention_heads", "2"}};
  model.files = {{"vocab.txt", "a\nb\n"}};
  model.add("bert.embeddings.word_embeddings.weight", {32, 8}, DType::F32);
  model.tensors["bert.embeddings.token_type_embeddings.weight"] = {
      DType::F32, {1, 8}, std::string(32, '\0')};
  model.add_layers(3, "bert.encoder.layer.%.attention.self.query.weight", {8, 8}, DType::F32);
  model.add_layers(3, "bert.encoder.layer.%.intermediate.dense.weight", {32, 8}, DType::F32);
  return model;
}

// Python's json writes what JSON does not have; no attention, no transformer names.
TinyModel mamba2() {
  TinyModel model;
  model.config = {{"architectures", R"(["Mamba2ForCausalLM"])"},
                  {"model_type", R"("mamba2")"},
                  {"hidden_size", "8"},
                  {"num_hidden_layers", "3"},
                  {"vocab_size", "32"},
                  {"time_step_limit", "[0.0, Infinity]"},
                  {"tie_word_embeddings", "false"}};
  model.files = {{"tokenizer.json", tokenizer_json(32)}};
  model.add("backbone.embeddings.weight", {32, 8});
  model.add("backbone.norm_f.weight", {8});
  model.add("lm_head.weight", {32, 8});
  model.add_layers(3, "backbone.layers.%.mixer.A_log", {4}, DType::F32);
  model.add_layers(3, "backbone.layers.%.mixer.in_proj.weight", {37, 8});
  return model;
}

// Attention in one layer of four, recurrence in the others.
TinyModel hybrid() {
  TinyModel model = llama();
  model.config["architectures"] = R"(["Qwen3NextForCausalLM"])";
  model.config["model_type"] = R"("qwen3_next")";
  model.config["layer_types"] =
      R"(["linear_attention", "linear_attention", "linear_attention", "full_attention"])";
  for (const int layer : {0, 1, 2}) {
    for (const char* part : {"q_proj", "k_proj", "v_proj", "o_proj"})
      model.tensors.erase(fmt::format("model.layers.{}.self_attn.{}.weight", layer, part));
    model.add(fmt::format("model.layers.{}.linear_attn.in_proj_qkvz.weight", layer), {24, 8});
  }
  model.add("model.layers.3.self_attn.q_proj.weight", {16, 8});  // with its gate
  model.add("mtp.layers.0.self_attn.q_proj.weight", {16, 8});
  return model;
}

TinyModel mlx_quantized() {
  TinyModel model = llama();
  model.metadata = {{"format", "mlx"}};
  model.config["quantization"] = R"({"group_size": 32, "bits": 4})";
  model.config["quantization_config"] = R"({"group_size": 32, "bits": 4})";
  for (auto& [name, tensor] : model.tensors) {
    if (tensor.shape.size() != 2) continue;
    tensor = {DType::U32, {tensor.shape[0], tensor.shape[1] / 8}, {}};
  }
  const auto packed = model.tensors;
  for (const auto& [name, tensor] : packed) {
    if (tensor.dtype != DType::U32) continue;
    const std::string stem = name.substr(0, name.size() - std::string_view("weight").size());
    model.add(stem + "scales", {tensor.shape[0], 1});
    model.add(stem + "biases", {tensor.shape[0], 1});
  }
  return model;
}

// Quantized modules have no .weight; the head and the norms stay as they are.
TinyModel gptq() {
  TinyModel model = llama();
  model.config["quantization_config"] = R"({"quant_method": "gptq", "bits": 4, "group_size": 8})";
  const auto plain = model.tensors;
  for (const auto& [name, tensor] : plain) {
    if (name.find("_proj.weight") == std::string::npos) continue;
    model.tensors.erase(name);
    const std::string stem = name.substr(0, name.size() - std::string_view("weight").size());
    const uint64_t out = tensor.shape[0], in = tensor.shape[1];
    model.add(stem + "qweight", {in / 8, out}, DType::I32);
    model.add(stem + "qzeros", {1, 1}, DType::I32);
    model.add(stem + "scales", {1, out}, DType::F16);
    model.add(stem + "g_idx", {in}, DType::I32);
  }
  return model;
}

TinyModel bitsandbytes() {
  TinyModel model = llama();
  model.config["quantization_config"] = R"({"quant_method": "bitsandbytes", "load_in_4bit": true})";
  const auto plain = model.tensors;
  for (const auto& [name, tensor] : plain) {
    if (name.find("_proj.weight") == std::string::npos) continue;
    const uint64_t bytes = tensor.shape[0] * tensor.shape[1] / 2;
    model.add(name, {bytes, 1}, DType::U8);
    model.add(name + ".absmax", {1}, DType::U8);
    model.add(name + ".quant_map", {16}, DType::F32);
    model.add(name + ".quant_state.bitsandbytes__nf4", {20}, DType::U8);
  }
  return model;
}

// A framework's marker has shape [0] by design.
TinyModel scaled_fp8() {
  TinyModel model = llama();
  model.config.clear();
  model.config["_class_name"] = R"("WanTransformer3DModel")";
  model.tensors.clear();
  model.files.clear();
  model.add("scaled_fp8", {0}, DType::F8_E4M3);
  model.add("blocks.0.ffn.0.weight", {16, 8}, DType::F8_E4M3);
  model.add("blocks.0.ffn.0.scale_weight", {}, DType::F32);
  return model;
}

TinyModel sentence_transformer() {
  TinyModel model = bert();
  model.config["architectures"] = R"(["BertModel"])";
  model.tensors.clear();
  model.add("embeddings.word_embeddings.weight", {32, 8}, DType::F32);
  model.add_layers(3, "encoder.layer.%.output.dense.weight", {8, 32}, DType::F32);
  model.files["modules.json"] = "[]";
  model.files["1_Pooling/config.json"] = R"({"word_embedding_dimension": 8})";
  return model;
}

// Blocks that a search removed, as Nemotron's.
TinyModel pruned_blocks() {
  TinyModel model = llama();
  model.config["model_type"] = R"("nemotron-nas")";
  model.config["block_configs"] = "[{}, {}, {}, {}]";
  std::erase_if(model.tensors, [](const auto& t) {
    return t.first.starts_with("model.layers.2.") ||
           t.first.starts_with("model.layers.1.self_attn.");
  });
  return model;
}

TinyModel mixture_of_dtypes() {
  TinyModel model = llama();
  for (auto& [name, tensor] : model.tensors)
    if (name.find("norm") != std::string::npos) tensor.dtype = DType::F32;
  return model;
}

const Sound kSound[] = {
    {"llama", llama},
    {"sharded", sharded},
    {"tied_llama_with_rope_buffers", tied_llama_with_rope_buffers},
    {"mixture_of_dtypes", mixture_of_dtypes},
    {"qwen_moe_with_dense_layers", qwen_moe_with_dense_layers},
    {"deepseek_v3", deepseek_v3},
    {"gemma3_with_images", gemma3_with_images},
    {"gemma3_text_only", gemma3_text_only},
    {"gpt2", gpt2},
    {"bert", bert},
    {"mamba2", mamba2},
    {"hybrid", hybrid},
    {"mlx_quantized", mlx_quantized},
    {"gptq", gptq},
    {"bitsandbytes", bitsandbytes},
    {"scaled_fp8", scaled_fp8},
    {"sentence_transformer", sentence_transformer},
    {"pruned_blocks", pruned_blocks},
};

class SoundModels : public testing::TestWithParam<Sound> {};

TEST_P(SoundModels, AreSilent) {
  const TempDir folder;
  GetParam().make().write(folder.path());
  const ValidateReport report = run_validate(folder.path(), {.deep = true});
  EXPECT_TRUE(report.ok(true)) << listing(report);
}

INSTANTIATE_TEST_SUITE_P(Validate, SoundModels, testing::ValuesIn(kSound),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(Validate, LlamaPleasesEveryLoader) {
  const TempDir folder;
  llama().write(folder.path());
  for (const std::string_view name : loader_names()) {
    const ValidateReport report = run_validate(folder.path(), {.loader = parse_loader(name)});
    EXPECT_TRUE(report.ok(true)) << name << '\n' << listing(report);
  }
  EXPECT_FALSE(parse_loader("ollama"));
}

// An index of shards that are gone, beside the file that replaced them.
TEST(Validate, StaleIndexHidesTheFileFromVllm) {
  const TempDir folder;
  llama().write(folder.path());
  write_file(folder / "model.safetensors.index.json",
             R"({"weight_map": {"lm_head.weight": "model-00001-of-00002.safetensors"}})");
  const ValidateReport report =
      run_validate(folder / "model.safetensors", {.loader = Loader::Vllm});
  const Finding* finding = find(report, Check::LoaderWeights);
  ASSERT_NE(finding, nullptr) << listing(report);
  EXPECT_EQ(finding->message, "vllm takes no weight file, but this model is in model.safetensors");
}

// An adapter has its own configuration and names; nothing of the base model can be expected.
TEST(Validate, AdapterIsSilent) {
  const TempDir folder;
  const std::string name = "base_model.model.model.layers.3.self_attn.q_proj.lora_";
  const std::string file = ModelBuilder()
                               .tensor(name + "A.weight", DType::F32, {2, 8})
                               .tensor(name + "B.weight", DType::F32, {8, 2}, std::string(64, '\0'))
                               .metadata("format", "pt")
                               .file_bytes();
  write_file(folder / "adapter_model.safetensors", file);
  write_file(folder / "adapter_config.json", R"({"peft_type": "LORA"})");
  const ValidateReport report = run_validate(folder.path(), {.deep = true});
  EXPECT_TRUE(report.ok(true)) << listing(report);
}

// Of one shard, or one file among others, nothing is said about the rest.
TEST(Validate, PartsAreNotWholes) {
  const TempDir folder;
  sharded().write(folder.path());
  const ValidateReport shard = run_validate(folder / "model-00002-of-00005.safetensors");
  EXPECT_TRUE(shard.ok(true)) << listing(shard);

  const TempDir lone;
  write_file(lone / "flux.safetensors",
             ModelBuilder().tensor("a.weight", DType::F16, {2, 2}).file_bytes());
  const ValidateReport file = run_validate(lone / "flux.safetensors");
  EXPECT_TRUE(file.ok(true)) << listing(file);
}

}  // namespace
}  // namespace stkit::test
