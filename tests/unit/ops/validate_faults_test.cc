// Every check of `validate` beyond those of headers and indices: what makes it fire.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <set>

#include "unit/ops/validate_model.h"

namespace stkit::test {
namespace {

namespace fs = std::filesystem;

struct Fault {
  const char* name;
  Check check;
  std::function<void(TinyModel&)> edit;
  std::string message;  // part of it
  // Behind the writing of the model: files around it, options of the run.
  std::function<void(const fs::path&, ValidateOptions&)> arrange = {};
  std::optional<Severity> severity = {};  // the table's, where nothing is said
};

void PrintTo(const Fault& fault, std::ostream* out) { *out << fault.name; }

void deep(const fs::path&, ValidateOptions& options) { options.deep = true; }

std::function<void(const fs::path&, ValidateOptions&)> loader(Loader which) {
  return [which](const fs::path&, ValidateOptions& options) { options.loader = which; };
}

// A list beside the model, whose text is made from the folder.
std::function<void(const fs::path&, ValidateOptions&)> checksums(std::string text) {
  return [text](const fs::path& folder, ValidateOptions& options) {
    write_file(folder / "SUMS", text);
    options.checksums = (folder / "SUMS").string();
  };
}

// Another model beside the first, edited.
std::function<void(const fs::path&, ValidateOptions&)> against(
    std::function<void(TinyModel&)> edit) {
  return [edit](const fs::path& folder, ValidateOptions& options) {
    TinyModel other = llama();
    edit(other);
    other.write(folder / "other");
    options.against = (folder / "other").string();
  };
}

std::string repeated(std::string_view bytes, size_t times) {
  std::string text;
  for (size_t i = 0; i < times; ++i) text += bytes;
  return text;
}

const std::string kZeroDigest(64, '0');
constexpr std::string_view kBf16Nan = "\xC0\x7F", kBf16Infinity = "\x80\x7F",
                           kBf16Half("\x00\x3F", 2);
const char* const kDown = "model.layers.2.mlp.down_proj.weight";  // [8, 16]

// T21: config.json missing, or contradicting the tensors.
const Fault kFaults[] = {
    {"no config", Check::MissingConfig, [](TinyModel& m) { m.config.clear(); }, "no config.json"},
    {"config is no JSON", Check::BadConfig, [](TinyModel& m) { m.config["hidden_size"] = "8,"; },
     ""},
    {"hidden size", Check::ConfigShape, [](TinyModel& m) { m.config["hidden_size"] = "16"; },
     "hidden_size is 16, but tensor 'lm_head.weight' [32, 8] has 8 there"},
    {"vocabulary", Check::ConfigShape, [](TinyModel& m) { m.config["vocab_size"] = "33"; },
     "vocab_size is 33"},
    {"heads", Check::ConfigShape, [](TinyModel& m) { m.config["num_key_value_heads"] = "2"; },
     "num_key_value_heads x head_dim is 8"},
    {"explicit head size", Check::ConfigShape, [](TinyModel& m) { m.config["head_dim"] = "16"; },
     "num_attention_heads x head_dim is 32"},
    {"intermediate size", Check::ConfigShape,
     [](TinyModel& m) { m.config["intermediate_size"] = "24"; }, "and so have 11 more"},
    {"one tensor of another shape", Check::ConfigShape, [](TinyModel& m) { m.add(kDown, {8, 24}); },
     "intermediate_size is 16"},
    {"unknown type, wrong width",
     Check::ConfigShape,
     [](TinyModel& m) {
       m.config["model_type"] = R"("brand_new")";
       m.config["hidden_size"] = "16";
     },
     "hidden_size is 16",
     {},
     Severity::Warning},
    {"fewer layers than said", Check::ConfigLayers,
     [](TinyModel& m) { m.config["num_hidden_layers"] = "6"; }, "has no layer 4, 5"},
    {"a hole in the layers", Check::ConfigLayers,
     [](TinyModel& m) {
       std::erase_if(m.tensors,
                     [](const auto& t) { return t.first.starts_with("model.layers.1."); });
     },
     "has no layer 1"},
    {"more layers than said",
     Check::ConfigLayers,
     [](TinyModel& m) { m.config["num_hidden_layers"] = "3"; },
     "has 4 layers",
     {},
     Severity::Warning},
    {"a layer lost a tensor", Check::UnevenLayers, [](TinyModel& m) { m.tensors.erase(kDown); },
     "layer 2 of 'model.layers' lacks mlp.down_proj"},
    {"an expert is missing", Check::MissingExperts,
     [](TinyModel& m) {
       m.config["num_local_experts"] = "3";
       for (const char* expert : {"0", "1"})
         m.add_layers(4, fmt::format("model.layers.%.mlp.experts.{}.w1.weight", expert), {8, 8});
     },
     "layer 0 lacks expert 2"},
    {"a tensor of one expert is missing", Check::MissingExperts,
     [](TinyModel& m) {
       for (const char* expert : {"0", "1", "2"})
         m.add_layers(4, fmt::format("model.layers.%.mlp.experts.{}.w1.weight", expert), {8, 8});
       m.tensors.erase("model.layers.3.mlp.experts.1.w1.weight");
     },
     "layer 3 lacks expert 1: 'mlp.experts.#.w1.weight'"},
    {"no head, not tied", Check::TiedHead, [](TinyModel& m) { m.tensors.erase("lm_head.weight"); },
     "hold no lm_head"},
    {"a head, but tied", Check::TiedHead,
     [](TinyModel& m) { m.config["tie_word_embeddings"] = "true"; }, "hold 'lm_head.weight'"},
    {"another dtype", Check::ConfigDType,
     [](TinyModel& m) { m.config["torch_dtype"] = R"("float32")"; },
     "100 % of the parameters are BF16"},
    {"says gptq, is not", Check::QuantizationMismatch,
     [](TinyModel& m) { m.config["quantization_config"] = R"({"quant_method": "gptq"})"; },
     "says gptq"},
    {"is fp8, says nothing", Check::QuantizationMismatch,
     [](TinyModel& m) {
       m.add(kDown, {8, 16}, DType::F8_E4M3);
       m.add("model.layers.2.mlp.down_proj.weight_scale_inv", {1, 1}, DType::F32);
     },
     "look quantized (fp8)"},
    {"no tokenizer", Check::MissingTokenizer, [](TinyModel& m) { m.files.erase("tokenizer.json"); },
     "LlamaForCausalLM reads text"},
    {"tokenizer is no JSON", Check::BadTokenizer,
     [](TinyModel& m) { m.files["tokenizer.json"].pop_back(); }, ""},
    {"tokenizer without a model", Check::BadTokenizer,
     [](TinyModel& m) { m.files["tokenizer.json"] = R"({"version": "1.0"})"; }, "no 'model'"},
    {"tokenizer settings are no JSON", Check::BadTokenizer,
     [](TinyModel& m) { m.files["tokenizer_config.json"] = "{'a': 1}"; }, ""},
    {"more tokens than rows", Check::TokenizerTooLarge,
     [](TinyModel& m) { m.files["tokenizer.json"] = tokenizer_json(33); },
     "the largest token id is 32, but the embedding 'model.embed_tokens.weight' has 32 rows"},
    {"unigram with more tokens than rows", Check::TokenizerTooLarge,
     [](TinyModel& m) {
       m.files["tokenizer.json"] =
           fmt::format(R"({{"model": {{"type": "Unigram", "vocab": [{}["z", -2]]}}}})",
                       repeated(R"(["a", -1.5], )", 40));
     },
     "the largest token id is 40"},
    {"more added tokens than rows",
     Check::TokenizerTooLarge,
     [](TinyModel& m) { m.files["tokenizer.json"] = tokenizer_json(32, {"<tool>"}); },
     "1 added token has no row in the embedding of 32 rows, first '<tool>' (id 32)",
     {},
     Severity::Warning},
    {"companion is no JSON", Check::BadCompanion,
     [](TinyModel& m) { m.files["generation_config.json"] = "{"; }, ""},
    {"NaN", Check::NanWeights,
     [](TinyModel& m) { m.tensors[kDown].data = std::string(kBf16Nan) + repeated(kBf16Half, 127); },
     "1 of the 128 values of 'model.layers.2.mlp.down_proj.weight' is NaN", deep},
    {"infinity", Check::InfWeights,
     [](TinyModel& m) {
       m.tensors[kDown].data = repeated(kBf16Half, 126) + repeated(kBf16Infinity, 2);
     },
     "2 of the 128 values", deep},
    {"infinity in a buffer", Check::InfWeights,
     [](TinyModel& m) { m.tensors["attn_mask"] = {DType::BF16, {2}, repeated(kBf16Infinity, 2)}; },
     "'attn_mask' are infinite", deep, Severity::Warning},
    {"all zero", Check::ZeroTensor,
     [](TinyModel& m) { m.tensors[kDown].data = std::string(256, '\0'); }, "all 128 values", deep},
    {"constant", Check::ConstantTensor,
     [](TinyModel& m) { m.tensors[kDown].data = repeated(kBf16Half, 128); }, "are 0.5", deep},
    {"unfinished download", Check::ZeroTail,
     [](TinyModel& m) {
       const std::string half = repeated(kBf16Half, 600'001);
       m.tensors["z.weight"] = {DType::BF16, {2, 1 << 20}, half};
       m.tensors["z.weight"].data->resize(size_t{4} << 20);
     },
     "the last 2,994,302 bytes are zero, from the middle of 'z.weight' on", deep},
    {"placeholder", Check::PlaceholderTensor, [](TinyModel& m) { m.add(kDown, {0}); },
     "has shape [0]"},
    {"digest differs",
     Check::ChecksumMismatch,
     {},
     fmt::format("but {} was promised", kZeroDigest),
     checksums(kZeroDigest + "  model.safetensors\n")},
    {"listed file is missing",
     Check::ChecksumMissingFile,
     {},
     "'gone.safetensors' is listed",
     checksums(kZeroDigest + " *gone.safetensors\n")},
    {"weights are not listed",
     Check::ChecksumUnlisted,
     {},
     "'model.safetensors' is not in the list",
     checksums("")},
    {"line is none",
     Check::BadChecksumLine,
     {},
     "line 2 is not a SHA-256",
     checksums(kZeroDigest + "  model.safetensors\nmodel.safetensors\n")},
    {"line climbs out",
     Check::BadChecksumLine,
     {},
     "'../x' cannot be checked",
     checksums(kZeroDigest + "  ../x\n")},
    {"changed since the download",
     Check::ChecksumMismatch,
     {},
     "the file that was downloaded had",
     [](const fs::path& folder, ValidateOptions& options) {
       write_file(folder / ".cache/huggingface/download/model.safetensors.metadata",
                  "0123456789abcdef0123456789abcdef01234567\n" + kZeroDigest + "\n1700000000.5\n");
       options.deep = true;
     }},
    {"only here", Check::OnlyHere, {}, "'lm_head.weight' is not in", against([](TinyModel& m) {
       m.tensors.erase("lm_head.weight");
     })},
    {"only there", Check::OnlyThere, {}, "'extra.weight' is not in", against([](TinyModel& m) {
       m.add("extra.weight", {2});
     })},
    {"another shape",
     Check::DifferentType,
     {},
     "is BF16 [8, 16] here and BF16 [16, 8] there",
     against([](TinyModel& m) { m.add(kDown, {16, 8}); })},
    {"another dtype there",
     Check::DifferentType,
     {},
     "is BF16 [8, 16] here and F16 [8, 16] there",
     against([](TinyModel& m) { m.add(kDown, {8, 16}, DType::F16); })},
    {"other bytes", Check::DifferentBytes, {}, "1 of the 256 bytes of", against([](TinyModel& m) {
       std::string data = ModelBuilder::data_of(kDown, DType::BF16, {8, 16});
       data[100] = static_cast<char>(data[100] ^ 1);
       m.tensors[kDown].data = data;
     })},
    {"candle-vllm: no tokenizer settings", Check::LoaderMissingFile,
     [](TinyModel& m) { m.files.erase("tokenizer_config.json"); },
     "candle-vllm needs tokenizer_config.json", loader(Loader::CandleVllm), Severity::Warning},
    {"mistralrs: no tokenizer.json", Check::LoaderMissingFile,
     [](TinyModel& m) {
       m.files["tokenizer.model"] = m.files["tokenizer.json"];
       m.files.erase("tokenizer.json");
     },
     "mistralrs needs tokenizer.json", loader(Loader::MistralRs), Severity::Warning},
    {"transformers: a stray single file wins", Check::LoaderWeights,
     [](TinyModel& m) { m.shards = 3; },
     "transformers takes model.safetensors, but this model is in 3 files",
     [](const fs::path& folder, ValidateOptions& options) {
       write_file(folder / "model.safetensors",
                  ModelBuilder().tensor("x", DType::U8, {1}).file_bytes());
       options.loader = Loader::Transformers;
     }},
    {"transformers: named weights", Check::LoaderWeights,
     [](TinyModel& m) { m.config["transformers_weights"] = R"("other.safetensors")"; },
     "transformers takes other.safetensors", loader(Loader::Transformers)},
    {"transformers: unknown format", Check::LoaderWeights,
     [](TinyModel& m) { m.metadata = {{"format", "numpy"}}; }, "says format 'numpy'",
     loader(Loader::Transformers)},
    {"candle-vllm: shards without index", Check::LoaderWeights, [](TinyModel& m) { m.shards = 3; },
     "candle-vllm takes no weight file",
     [](const fs::path& folder, ValidateOptions& options) {
       fs::remove(folder / "model.safetensors.index.json");
       options.loader = Loader::CandleVllm;
     }},
    {"candle has no complex numbers", Check::LoaderDType,
     [](TinyModel& m) { m.add("rope", {2}, DType::C64); }, "candle-vllm cannot read C64",
     loader(Loader::CandleVllm)},
    {"vllm does not run MLX", Check::LoaderQuantization,
     [](TinyModel& m) {
       m.config["quantization"] = R"({"group_size": 64, "bits": 4})";
       m.add("model.layers.0.mlp.up_proj.scales", {16, 1});
     },
     "vllm is not known to run mlx quantization", loader(Loader::Vllm)},
    {"transformers: no format tag", Check::LoaderQuirk, [](TinyModel& m) { m.metadata.clear(); },
     "has no format", loader(Loader::Transformers)},
    {"mistralrs: the config is Python's", Check::LoaderQuirk,
     [](TinyModel& m) { m.config["time_step_limit"] = "[0.0, Infinity]"; }, "mistralrs refuses it",
     loader(Loader::MistralRs), Severity::Error},
    {"vllm: torch_dtype is null", Check::LoaderQuirk,
     [](TinyModel& m) {
       m.config["torch_dtype"] = "null";
       m.config["dtype"] = R"("bfloat16")";
     },
     "torch_dtype is null", loader(Loader::Vllm)},
};

class Faults : public testing::TestWithParam<Fault> {};

TEST_P(Faults, IsFound) {
  const Fault& fault = GetParam();
  const TempDir folder;
  TinyModel model = llama();
  if (fault.edit) fault.edit(model);
  model.write(folder.path());
  ValidateOptions options;
  if (fault.arrange) fault.arrange(folder.path(), options);
  const ValidateReport report = run_validate(folder.path(), options);
  const auto found = std::ranges::find_if(report.findings, [&](const Finding& finding) {
    return finding.check == fault.check && finding.message.find(fault.message) != std::string::npos;
  });
  ASSERT_NE(found, report.findings.end()) << listing(report);
  EXPECT_EQ(found->severity(), fault.severity.value_or(info(fault.check).severity));
  EXPECT_FALSE(found->path.empty());
  EXPECT_FALSE(found->severity() == Severity::Error && report.ok(false));
}

std::string test_name(const testing::TestParamInfo<Fault>& test) {
  std::string name = test.param.name;
  for (char& c : name)
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  return name;
}

INSTANTIATE_TEST_SUITE_P(Validate, Faults, testing::ValuesIn(kFaults), test_name);

TEST(Validate, EveryCheckHasAFault) {
  std::set<Check> covered;
  for (const Fault& fault : kFaults) covered.insert(fault.check);
  for (const CheckInfo& row : checks()) {
    // The readers' and the model's own tests make each of theirs fire.
    constexpr std::string_view kElsewhere[] = {"ST", "GG", "IM", "IX", "PK", "DS", "DC", "NP"};
    if (std::ranges::count(kElsewhere, row.id.substr(0, 2)) > 0) continue;
    EXPECT_TRUE(covered.contains(row.check)) << row.id << ' ' << row.slug;
  }
}

}  // namespace
}  // namespace stkit::test
