#include "model/profile.h"

#include <gtest/gtest.h>

#include "model/companions.h"
#include "support/model_builder.h"
#include "support/temp_dir.h"

namespace stkit::test {
namespace {

using Lines = std::vector<std::string>;

Model model_of(const TempDir& dir, ModelBuilder builder) {
  builder.write(dir.path());
  Result<Model> model = Model::open(dir.path().string());
  EXPECT_TRUE(model) << model.error().message;
  return std::move(*model);
}

Profile profile_of(ModelBuilder builder) {
  const TempDir dir;
  return make_profile(model_of(dir, std::move(builder)));
}

ModelBuilder one_tensor(const char* name = "x") {
  return ModelBuilder().tensor(name, DType::BF16, {4, 4});
}

struct TypeCase {
  const char* name;
  ModelBuilder builder;
  const char* architecture;
  const char* model_type;
  const char* source;
};

TEST(Profile, ModelTypeFromTheBestEvidence) {
  TypeCase cases[] = {
      {"config",
       one_tensor("model.layers.0.self_attn.q_proj.weight")
           .metadata("model_type", "other")
           .config(R"({"model_type":"qwen3","architectures":["Qwen3ForCausalLM"]})"),
       "Qwen3ForCausalLM", "qwen3", "config"},
      {"metadata",
       one_tensor("model.layers.0.self_attn.q_proj.weight").metadata("model_type", "phi3"), "",
       "phi3", "metadata"},
      {"model spec", one_tensor().metadata("modelspec.architecture", "Flux.1-dev/lora"),
       "Flux.1-dev/lora", "Flux.1-dev/lora", "metadata"},
      {"llama by names", one_tensor("model.layers.7.self_attn.q_proj.weight"), "", "llama",
       "names"},
      {"gpt2 by names", one_tensor("h.0.attn.c_attn.weight"), "", "gpt2", "names"},
      {"flux by names", one_tensor("double_blocks.0.img_attn.qkv.weight"), "", "flux", "names"},
      {"diffusers", one_tensor().config(R"({"_class_name":"UNet2DConditionModel"})"),
       "UNet2DConditionModel", "", ""},
      {"nothing", one_tensor(), "", "", ""},
      {"config of odd types", one_tensor().config(R"({"model_type":1,"architectures":"x"})"), "",
       "", ""},
  };
  for (TypeCase& c : cases) {
    const Profile profile = profile_of(std::move(c.builder));
    EXPECT_EQ(profile.architecture, c.architecture) << c.name;
    EXPECT_EQ(profile.model_type, c.model_type) << c.name;
    EXPECT_EQ(profile.model_type_source, c.source) << c.name;
  }
}

struct ModalityCase {
  const char* name;
  ModelBuilder builder;
  const char* modality;
  const char* source;
};

TEST(Profile, ModalityFromTheBestEvidence) {
  const auto architecture = [](const std::string& name) {
    return one_tensor().config(R"({"architectures":[")" + name + R"("]})");
  };
  ModalityCase cases[] = {
      {"metadata", architecture("HunyuanDiT2DModel").metadata("modality", "audio"), "audio",
       "metadata"},
      {"unknown metadata", architecture("HunyuanDiT2DModel").metadata("modality", "smell"), "image",
       "architecture"},
      {"dit", architecture("DiTTransformer2DModel"), "image", "architecture"},
      {"vae", architecture("VAE"), "image", "architecture"},
      {"mdlm", architecture("MDLM"), "text", "architecture"},
      {"sedd", architecture("sedd-small"), "text", "architecture"},
      {"code", architecture("CodeGenForCausalLM"), "code", "architecture"},
      {"wavegrad", architecture("WaveGrad"), "audio", "architecture"},
      {"audio", architecture("Qwen2AudioForConditionalGeneration"), "audio", "architecture"},
      {"causal LM", architecture("LlamaForCausalLM"), "text", "config"},
      {"no 'dit' in a conditional", architecture("BartForConditionalGeneration"), "", ""},
      {"whisper", one_tensor().config(R"({"model_type":"whisper"})"), "audio", "config"},
      {"vision", one_tensor().config(R"({"model_type":"qwen2_vl","vision_config":{}})"), "image",
       "config"},
      {"diffusers", one_tensor().config(R"({"_class_name":"X","_diffusers_version":"0.30"})"),
       "image", "config"},
      {"vocabulary", one_tensor().config(R"({"vocab_size":100})"), "text", "config"},
      {"names", one_tensor("h.0.attn.c_attn.weight"), "text", "names"},
      {"nothing", one_tensor(), "", ""},
  };
  for (ModalityCase& c : cases) {
    const Profile profile = profile_of(std::move(c.builder));
    EXPECT_EQ(profile.modality, c.modality) << c.name;
    EXPECT_EQ(profile.modality_source, c.source) << c.name;
  }
}

TEST(Profile, WordsStandAlone) {
  EXPECT_TRUE(has_word("DiT", "dit"));
  EXPECT_TRUE(has_word("PixArt-dit-xl", "dit"));
  EXPECT_TRUE(has_word("HunyuanDiT2DModel", "dit"));
  EXPECT_TRUE(has_word("conditional_dit", "dit"));
  EXPECT_FALSE(has_word("ForConditionalGeneration", "dit"));
  EXPECT_FALSE(has_word("Edit", "dit"));
  EXPECT_FALSE(has_word("ditto", "dit"));
  EXPECT_FALSE(has_word("", "dit"));
  EXPECT_FALSE(has_word("di", "dit"));
}

struct QuantizationCase {
  const char* name;
  ModelBuilder builder;
  const char* quantization;
};

TEST(Profile, QuantizationAlreadyInTheWeights) {
  const auto config = [](const std::string& quantization) {
    return one_tensor().config(R"({"quantization_config":)" + quantization + "}");
  };
  QuantizationCase cases[] = {
      {"plain", one_tensor(), ""},
      {"fp8 by config", config(R"({"quant_method":"fp8","weight_block_size":[128,128]})"), "fp8"},
      {"awq by config", config(R"({"quant_method":"AWQ"})"), "awq"},
      {"bitsandbytes of old", config(R"({"load_in_4bit":true})"), "bitsandbytes"},
      {"ModelOpt", config(R"({"quant_algo":"NVFP4"})"), "nvfp4"},
      {"nested",
       one_tensor().config(R"({"text_config":{"quantization_config":{"quant_method":"mxfp4"}}})"),
       "mxfp4"},
      {"null", config("null"), ""},
      {"MLX", one_tensor().config(R"({"quantization":{"group_size":64,"bits":4}})"), "mlx-4bit"},
      {"GPTQ by shapes",
       ModelBuilder()
           .tensor("q.qweight", DType::I32, {8, 32})
           .tensor("q.scales", DType::F16, {2, 32}),
       "gptq"},
      {"AWQ by shapes",
       ModelBuilder()
           .tensor("q.qweight", DType::I32, {64, 4})
           .tensor("q.scales", DType::F16, {2, 32}),
       "awq"},
      {"fp8 blocks",
       ModelBuilder()
           .tensor("q.weight", DType::F8_E4M3, {8, 8})
           .tensor("q.weight_scale_inv", DType::F32, {1, 1}),
       "fp8"},
      {"fp8 alone", ModelBuilder().tensor("q.weight", DType::F8_E5M2, {8, 8}), "fp8"},
      {"compressed-tensors", ModelBuilder().tensor("q.weight_packed", DType::I32, {8, 1}),
       "compressed-tensors"},
      {"bitsandbytes by names",
       ModelBuilder()
           .tensor("q.weight", DType::U8, {32, 1})
           .tensor("q.weight.absmax", DType::F32, {1}),
       "bitsandbytes"},
      {"mxfp4 by names",
       ModelBuilder()
           .tensor("gate_up_proj_blocks", DType::U8, {2, 4, 16})
           .tensor("gate_up_proj_scales", DType::U8, {2, 4}),
       "mxfp4"},
      {"MLX by tensors",
       ModelBuilder()
           .tensor("q.weight", DType::U32, {4, 4})
           .tensor("q.scales", DType::F16, {4, 1})
           .tensor("q.biases", DType::F16, {4, 1}),
       "mlx"},
  };
  for (QuantizationCase& c : cases) {
    const Profile profile = profile_of(std::move(c.builder));
    EXPECT_EQ(profile.quantization, c.quantization) << c.name;
    EXPECT_EQ(profile.requires_isq, std::string_view(c.quantization).empty()) << c.name;
  }
}

TEST(Profile, QuantizationBesideTheConfig) {
  const TempDir dir;
  write_file(dir / "hf_quant_config.json", R"({"quantization":{"quant_algo":"FP8"}})");
  EXPECT_EQ(find_quantization(model_of(dir, one_tensor().config("{}"))), "fp8");
}

TEST(Profile, IntegersNeedNoIsq) {
  EXPECT_FALSE(profile_of(ModelBuilder().tensor("x", DType::I8, {64})).requires_isq);
}

TEST(Profile, BaseNameOfWeights) {
  EXPECT_EQ(base_name_of_weights("Qwen3-8B-00001-of-00003.safetensors"), "Qwen3-8B");
  EXPECT_EQ(base_name_of_weights("sdxl_v1.safetensors"), "sdxl_v1");
  EXPECT_EQ(base_name_of_weights("Llama-3.2-1B.safetensors"), "Llama-3.2-1B");
  for (const char* generic :
       {"model.safetensors", "model-00001-of-00003.safetensors", "model.fp16.safetensors",
        "diffusion_pytorch_model.safetensors", "adapter_model.safetensors", ""})
    EXPECT_EQ(base_name_of_weights(generic), "") << generic;
}

TEST(Profile, BaseNameOfAFolderIsItsOwn) {
  const TempDir dir;
  one_tensor().write(dir / "Qwen3-0.6B");
  for (const char* reference : {"Qwen3-0.6B", "Qwen3-0.6B/", "Qwen3-0.6B/model.safetensors"}) {
    const Result<Model> model = Model::open((dir / reference).string());
    ASSERT_TRUE(model);
    EXPECT_EQ(make_profile(*model).base_model_name, "Qwen3-0.6B") << reference;
  }
}

TEST(Companions, MissingOnesDependOnTheKindOfModel) {
  const TempDir text, image, adapter;
  const Model language = model_of(text, one_tensor().config(R"({"vocab_size":10})"));
  EXPECT_EQ(missing_companions(language, make_profile(language)),
            (Lines{"tokenizer.json", "tokenizer_config.json", "generation_config.json"}));
  const Model pictures = model_of(image, one_tensor().config(R"({"_class_name":"DiT"})"));
  EXPECT_EQ(missing_companions(pictures, make_profile(pictures)), Lines{});
  write_file(adapter / "adapter_config.json", "{}");
  const Model lora = model_of(adapter, one_tensor("q.lora_A.weight"));
  EXPECT_EQ(missing_companions(lora, make_profile(lora)), Lines{});
}

}  // namespace
}  // namespace stkit::test
