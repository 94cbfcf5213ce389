// PyTorch files as models: which dict, which names, which bytes.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "stkit/model.h"
#include "support/model_values.h"
#include "support/temp_dir.h"
#include "support/torch_builder.h"

namespace stkit {
namespace {

using namespace std::string_literals;
using test::floats;
using test::messages;
using test::names;
using test::packed;
using test::PickleBuilder;
using test::TempDir;
using test::TorchBuilder;
using test::write_file;

TorchBuilder weights(std::vector<float> values = {0, 1, 2, 3, 4, 5}) {
  return TorchBuilder()
      .storage("0", packed(values))
      .tensor("w", "Float", "0", 6, 0, {2, 3}, {3, 1})
      .tensor("t", "Float", "0", 6, 0, {3, 2}, {1, 3})
      .tensor("wide", "Float", "0", 6, 4, {2, 2}, {1, 0});
}

// A dict of the builder's one tensor, as a value inside of another dict.
std::string dict_of(const std::vector<std::string>& names) {
  PickleBuilder builder(0);
  builder.dict().mark();
  for (const std::string& name : names) builder.string(name).tensor("Float", "0", 2, 0, {2}, {1});
  const std::string bytes = builder.set_items().bytes();
  return bytes.substr(0, bytes.size() - 1);
}

std::string checkpoint(const std::vector<std::pair<std::string, std::string>>& entries) {
  PickleBuilder builder;
  builder.dict().mark();
  for (const auto& [key, value] : entries) builder.string(key).raw(value);
  return TorchBuilder()
      .storage("0", packed<float>({1, 2}))
      .object(builder.set_items().bytes())
      .zip();
}

Result<Model> open(const std::string& bytes, const std::string& key = {}) {
  static const TempDir dir;
  static int number = 0;
  const auto path = dir / (std::to_string(++number) + ".pt");
  write_file(path, bytes);
  OpenOptions options;
  options.key = key;
  return Model::open(path.string(), options);
}

TEST(TorchModel, ContiguousTensorsAreRunsAndViewsAreGathered) {
  for (const std::string& bytes : {weights().zip(), weights().legacy(4)}) {
    const auto model = open(bytes);
    ASSERT_TRUE(model.has_value()) << model.error().message;
    EXPECT_EQ(model->format(), FileFormat::PyTorch);
    EXPECT_TRUE(model->find("w")->run().has_value());
    EXPECT_FALSE(model->find("t")->run().has_value());
    EXPECT_EQ(floats(*model, "w"), (std::vector<float>{0, 1, 2, 3, 4, 5}));
    EXPECT_EQ(floats(*model, "t"), (std::vector<float>{0, 3, 1, 4, 2, 5}));
    EXPECT_EQ(floats(*model, "wide"), (std::vector<float>{4, 4, 5, 5}));
  }
}

// T27
TEST(TorchModel, BigEndianFilesReadTheSame) {
  std::string swapped = packed<float>({0, 1, 2, 3, 4, 5});
  for (size_t i = 0; i < swapped.size(); i += 4)
    std::reverse(swapped.begin() + static_cast<std::ptrdiff_t>(i),
                 swapped.begin() + static_cast<std::ptrdiff_t>(i + 4));
  TorchBuilder builder;
  builder.storage("0", swapped).tensor("w", "Float", "0", 6, 0, {6}, {1}).big_endian();
  const auto model = open(builder.zip());
  ASSERT_TRUE(model.has_value());
  EXPECT_FALSE(model->find("w")->run().has_value());
  EXPECT_EQ(floats(*model, "w"), (std::vector<float>{0, 1, 2, 3, 4, 5}));
}

TEST(TorchModel, FindsTheDictThatIsTheModel) {
  const std::string optimizer = "}X\5\0\0\0state"s + dict_of({"a", "b"}) + "s";
  struct Case {
    const char* name;
    std::string bytes;
    const char* key;
    const char* names;  // or the error
  };
  using Entries = std::vector<std::pair<std::string, std::string>>;
  const Case cases[] = {
      {"wrapped", checkpoint({{"state_dict", dict_of({"a", "b"})}, {"epoch", "K\3"}}), "", "a b "},
      {"wrapped twice", checkpoint({{"checkpoint", "}X\5\0\0\0model"s + dict_of({"a"}) + "s"}}), "",
       "a "},
      {"optimizer beside it",
       checkpoint({{"model", dict_of({"a"})},
                   {"optimizer", optimizer},
                   {"optimizer_states", dict_of({"x"})},
                   {"rng_state", dict_of({"y"})}}),
       "", "a "},
      {"tensors beside numbers", checkpoint({{"a", "K\1"}, {"state", dict_of({"b"})}}), "", "b "},
      {"two", checkpoint({{"model", dict_of({"a"})}, {"ema", dict_of({"b"})}}), "",
       "the checkpoint holds 2 dicts of tensors: 'model', 'ema'"},
      {"two, one named", checkpoint({{"model", dict_of({"a"})}, {"ema", dict_of({"b"})}}), "ema",
       "b "},
      {"a path", checkpoint({{"x.y", "}X\1\0\0\0z"s + dict_of({"a"}) + "s"}}), "x.y.z", "a "},
      {"no such key", checkpoint({{"model", dict_of({"a"})}}), "nope",
       "the checkpoint has no dict of tensors at 'nope'; there are 'model'"},
      {"nothing", checkpoint(Entries{{"epoch", "K\1"}}), "", "holds tensors mostly"},
      {"of DDP", checkpoint({{"state_dict", dict_of({"module.a", "module.b.module.c"})}}), "",
       "a b.module.c "},
      {"a module called module", checkpoint({{"m", dict_of({"module.a", "b"})}}), "",
       "b module.a "},
      {"of torch.compile", checkpoint({{"m", dict_of({"_orig_mod.a", "x._orig_mod.b"})}}), "",
       "a x.b "},
      {"prefixes that tell names apart", checkpoint({{"m", dict_of({"_orig_mod.a", "a"})}}), "",
       "_orig_mod.a a "},
      {"of Lightning with DeepSpeed", checkpoint({{"m", dict_of({"_forward_module.model.a"})}}), "",
       "model.a "},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const auto model = open(c.bytes, c.key);
    if (model)
      EXPECT_EQ(names(*model), c.names);
    else
      EXPECT_NE(model.error().message.find(c.names), std::string::npos) << model.error().message;
  }
}

TEST(TorchModel, TakesAWholeModuleApart) {
  const auto module = [](const std::string& parameters, const std::string& buffers,
                         const std::string& modules) {
    return "cmy.nets\nNet\n)\x81}(" + PickleBuilder(0).string("_parameters").bytes().substr(0, 16) +
           parameters + PickleBuilder(0).string("_buffers").bytes().substr(0, 13) + buffers +
           PickleBuilder(0).string("_non_persistent_buffers_set").bytes().substr(0, 32) +
           "c__builtin__\nset\n](X\4\0\0\0tempe\x85R"s +
           PickleBuilder(0).string("_modules").bytes().substr(0, 13) + modules + "ub";
  };
  const std::string inner = module(dict_of({"weight"}), dict_of({"temp", "mean"}), "}");
  const std::string modules = "}X\6\0\0\0layers"s + inner + "s";
  const std::string outer = module("}X\4\0\0\0biasNs"s, "}", modules);
  const auto model = open(
      TorchBuilder().storage("0", packed<float>({1, 2})).object("\x80\x02" + outer + ".").zip());
  ASSERT_TRUE(model.has_value()) << model.error().message;
  EXPECT_EQ(names(*model), "layers.mean layers.weight ");
  EXPECT_NE(messages(*model).find("PK002 'my.nets.Net'"), std::string::npos);
}

TEST(TorchModel, TellsWhatIsSharedAndWhatIsSkipped) {
  const auto model = open(checkpoint({{"m", dict_of({"head", "embed"})}, {"lr", "K\1"}}));
  ASSERT_TRUE(model.has_value());
  EXPECT_NE(messages(*model).find("PK018 tensor 'head' shares its 8 bytes with 'embed'"),
            std::string::npos)
      << messages(*model);
  TorchBuilder builder = weights();
  builder.value("step", "K\7");
  const auto other = open(builder.zip());
  ASSERT_TRUE(other.has_value());
  EXPECT_NE(messages(*other).find("PK017 1 value is no tensor, first 'step'"), std::string::npos);
}

// T22
TEST(TorchModel, ADangerousPickleIsRefusedAndStillLookedThrough) {
  TorchBuilder builder = weights();
  builder.value("x", "cos\nsystem\nX\4\0\0\0true\x85R"s);
  const auto refused = open(builder.zip());
  ASSERT_FALSE(refused.has_value());
  EXPECT_NE(refused.error().message.find("'os.system'"), std::string::npos);

  const TempDir dir;
  write_file(dir / "x.pt", builder.zip());
  const auto scanned = Model::scan((dir / "x.pt").string());
  ASSERT_TRUE(scanned.has_value());
  EXPECT_EQ(scanned->tensors().size(), 3u);
  EXPECT_NE(messages(*scanned).find("PK001"), std::string::npos);
}

TEST(TorchModel, FoldersAreReadByTheirIndexOrAsSets) {
  const auto shard = [](const char* name) {
    return TorchBuilder()
        .storage("0", packed<float>({1, 2}))
        .tensor(name, "Float", "0", 2, 0, {2}, {1})
        .zip();
  };
  const TempDir dir;
  write_file(dir / "pytorch_model-00001-of-00002.bin", shard("a"));
  write_file(dir / "pytorch_model-00002-of-00002.bin", shard("b"));
  write_file(dir / "optimizer.bin", "x");
  const auto set = Model::open(dir.path().string());
  ASSERT_TRUE(set.has_value()) << set.error().message;
  EXPECT_EQ(names(*set), "a b ");

  write_file(dir / "pytorch_model.bin.index.json",
             R"({"weight_map":{"a":"pytorch_model-00001-of-00002.bin",)"
             R"("b":"pytorch_model-00002-of-00002.bin"}})");
  for (const auto& path : {dir.path(), dir / "pytorch_model.bin.index.json"}) {
    const auto model = Model::open(path.string());
    ASSERT_TRUE(model.has_value()) << model.error().message;
    EXPECT_EQ(model->format(), FileFormat::PyTorch);
    EXPECT_EQ(names(*model), "a b ");
    EXPECT_EQ(messages(*model), "");
  }
  std::filesystem::remove(dir / "pytorch_model-00002-of-00002.bin");
  const auto missing = Model::open(dir.path().string());
  ASSERT_FALSE(missing.has_value());
  EXPECT_NE(missing.error().message.find("pytorch_model-00002-of-00002.bin"), std::string::npos);
}

// As torch 2.13 wrote them, see tests/data/torch/remake.py.
TEST(TorchModel, ReadsWhatTorchWrote) {
  for (const char* file : {"/torch/checkpoint.pt", "/torch/legacy.pt"}) {
    SCOPED_TRACE(file);
    const auto model = Model::open(STKIT_TEST_DATA + std::string(file));
    ASSERT_TRUE(model.has_value()) << model.error().message;
    EXPECT_EQ(floats(*model, "weight"), (std::vector<float>{0, 1, 2, 3, 4, 5}));
    EXPECT_EQ(floats(*model, "tied"), (std::vector<float>{0, 1, 2, 3, 4, 5}));
    EXPECT_EQ(floats(*model, "transposed"), (std::vector<float>{0, 3, 1, 4, 2, 5}));
    EXPECT_EQ(floats(*model, "row"), (std::vector<float>{3, 4, 5}));
    EXPECT_EQ(floats(*model, "expanded"), (std::vector<float>{9, 9, 9, 9}));
    EXPECT_EQ(floats(*model, "empty"), std::vector<float>());
    EXPECT_EQ(model->find("half")->dtype, DType::BF16);
    EXPECT_EQ(model->find("scalar")->dtype, DType::I64);
    EXPECT_TRUE(model->find("scalar")->shape.empty());
    for (const Finding& finding : model->findings())
      EXPECT_EQ(finding.severity(), Severity::Note) << finding.message;
  }
  const auto model = Model::open(STKIT_TEST_DATA "/torch/checkpoint.pt");
  EXPECT_EQ(model->find("float8")->dtype, DType::F8_E4M3);
  EXPECT_EQ(model->tensors().size(), 9u);
}

TEST(TorchModel, SafetensorsComeFirst) {
  const TempDir dir;
  write_file(dir / "pytorch_model.bin", weights().zip());
  write_file(dir / "model.safetensors", "\x08\0\0\0\0\0\0\0{}      "s);
  const auto model = Model::open(dir.path().string());
  ASSERT_TRUE(model.has_value()) << model.error().message;
  EXPECT_EQ(model->format(), FileFormat::Safetensors);
}

}  // namespace
}  // namespace stkit
