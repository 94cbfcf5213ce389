#include "fixtures.h"

#include <string>

#include "support/model_builder.h"
#include "support/temp_dir.h"

namespace stkit::test {
namespace {

void make_layers(const std::filesystem::path& folder) {
  ModelBuilder model;
  model.tensor("model.embed_tokens.weight", DType::BF16, {32, 8});
  for (int layer = 0; layer < 12; ++layer) {
    const std::string prefix = "model.layers." + std::to_string(layer) + ".";
    model.tensor(prefix + "mlp.down_proj.weight", DType::BF16, {8, 16});
    model.tensor(prefix + "norm.weight", DType::F32, {8});
  }
  model.tensor("lm_head.weight", DType::BF16, {32, 8});
  model.metadata("format", "pt").shards(2);
  model.config(R"({"architectures":["LlamaForCausalLM"],"model_type":"llama",)"
               R"("num_hidden_layers":12,"hidden_size":8,"vocab_size":32})");
  model.write(folder);
}

}  // namespace

void make_fixtures(const std::filesystem::path& folder) {
  std::filesystem::copy(std::filesystem::path(STKIT_TEST_DATA) / "tiny-model", folder / "tiny",
                        std::filesystem::copy_options::recursive);
  const std::string values("\x00\x00\x80\x3f\x00\x00\x00\xc0\x00\x00\xc0\x7f\x00\x00\x00\x00", 16);
  const std::string changed("\x00\x00\x80\x3f\x00\x00\x00\xc0\x00\x00\xc0\x7f\x00\x00\x80\x3f", 16);
  ModelBuilder two;
  two.tensor("a", DType::F32, {2, 2}, values)
      .tensor("b", DType::F8_E4M3, {8})
      .metadata("format", "pt");
  write_file(folder / "two.safetensors", two.file_bytes());
  ModelBuilder other;
  other.tensor("a", DType::F32, {2, 2}, changed).tensor("b", DType::F8_E4M3, {2, 4});
  other.tensor("c", DType::U8, {1}).metadata("format", "np");
  write_file(folder / "other.safetensors", other.file_bytes());
  std::string cut = two.file_bytes();
  cut.pop_back();
  write_file(folder / "short.safetensors", cut);
  ModelBuilder names;
  names.tensor("red\x1b[31m\r\n", DType::U8, {1})
      .tensor(
          "\xe2\x80\xae"
          "ltr",
          DType::U8, {1});
  names.metadata("title", "\x1b]0;owned\x07");
  write_file(folder / "names.safetensors", names.file_bytes());
  ModelBuilder one;
  one.tensor("a", DType::F32, {1}, values.substr(0, 4)).metadata("format", "pt");
  write_file(folder / "one.safetensors", one.file_bytes());
  make_layers(folder / "layers");
}

}  // namespace stkit::test
