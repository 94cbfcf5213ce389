// Which files of a folder are the model.
#include <gtest/gtest.h>

#include <filesystem>

#include "stkit/model.h"
#include "support/model_builder.h"
#include "support/temp_dir.h"
#include "unit/model/findings.h"

namespace stkit::test {
namespace {

namespace fs = std::filesystem;
using Lines = std::vector<std::string>;

void write_weights(const fs::path& path, const std::vector<std::string>& tensors) {
  ModelBuilder builder;
  for (const std::string& tensor : tensors) builder.tensor(tensor, DType::F32, {2, 2});
  write_file(path, builder.metadata("format", "pt").file_bytes());
}

// A folder of weight files with one tensor each, named like its file up to the dot.
struct FolderCase {
  const char* name;
  Lines files;
  Lines model;  // the weight files that are it
  Lines findings;
};

TEST(Bundle, IsChosenByTheNamesOfFiles) {
  const FolderCase cases[] = {
      {"single file", {"model.safetensors"}, {"model.safetensors"}, {}},
      {"single file of any name", {"weights-v2.safetensors"}, {"weights-v2.safetensors"}, {}},
      {"set without an index",
       {"m-00001-of-00002.safetensors", "m-00002-of-00002.safetensors"},
       {"m-00001-of-00002.safetensors", "m-00002-of-00002.safetensors"},
       {"IX012 x"}},
      {"set that counts from 0",
       {"m-0-of-2.safetensors", "m-1-of-2.safetensors"},
       {"m-0-of-2.safetensors", "m-1-of-2.safetensors"},
       {"IX012 x"}},
      {"incomplete set",
       {"m-1-of-3.safetensors", "m-3-of-3.safetensors"},
       {"m-1-of-3.safetensors", "m-3-of-3.safetensors"},
       {"IX011 x", "IX012 x"}},
      {"leftovers of another set",
       {"m-1-of-2.safetensors", "m-2-of-2.safetensors", "m-1-of-5.safetensors"},
       {"m-1-of-2.safetensors", "m-2-of-2.safetensors"},
       {"IX009 m-1-of-5.safetensors", "IX012 x"}},
      {"two complete sets",
       {"m-1-of-2.safetensors", "m-2-of-2.safetensors", "n-1-of-1.safetensors"},
       {"m-1-of-2.safetensors", "m-2-of-2.safetensors"},
       {"IX009 n-1-of-1.safetensors", "IX012 x", "IX013 x"}},
      {"single file beside a complete set",
       {"model.safetensors", "m-1-of-2.safetensors", "m-2-of-2.safetensors"},
       {"model.safetensors"},
       {"IX009 m-1-of-2.safetensors", "IX009 m-2-of-2.safetensors", "IX013 x"}},
      {"single file beside leftovers of a set",
       {"model.safetensors", "model-2-of-3.safetensors"},
       {"model.safetensors"},
       {"IX009 model-2-of-3.safetensors"}},
      {"Mistral's second copy",
       {"consolidated.safetensors", "m-1-of-1.safetensors"},
       {"m-1-of-1.safetensors"},
       {"IX009 consolidated.safetensors"}},
      {"Mistral's copy alone", {"consolidated.safetensors"}, {"consolidated.safetensors"}, {}},
      {"variants",
       {"model.fp16.safetensors", "model.safetensors"},
       {"model.safetensors"},
       {"IX009 model.fp16.safetensors"}},
      {"variant alone", {"model.fp16.safetensors"}, {"model.fp16.safetensors"}, {}},
      {"adapter beside a model",
       {"adapter_model.safetensors", "model.safetensors"},
       {"model.safetensors"},
       {"IX009 adapter_model.safetensors"}},
      {"extra prediction layers",
       {"model.safetensors", "mtp.safetensors"},
       {"model.safetensors"},
       {"IX009 mtp.safetensors"}},
      {"unrelated files without a config.json",
       {"cat.safetensors", "dog.safetensors"},
       {"cat.safetensors", "dog.safetensors"},
       {"IX012 x", "IX013 x"}},
      {"resource forks of macOS",
       {"._model.safetensors", "model.safetensors"},
       {"model.safetensors"},
       {}},
  };
  for (const FolderCase& c : cases) {
    const TempDir dir;
    for (const std::string& file : c.files)
      write_weights(dir / "x" / file, {file.substr(0, file.find(".safe"))});
    const Result<Model> model = Model::scan((dir / "x").string());
    ASSERT_TRUE(model) << c.name << ": " << model.error().message;
    Lines weights;
    for (const ModelFile& file : model->files())
      if (file.role == FileRole::Weights) weights.push_back(file.name);
    EXPECT_EQ(weights, c.model) << c.name;
    EXPECT_EQ(listed(*model), c.findings) << c.name;
  }
}

TEST(Bundle, IncompleteSetNamesWhatIsMissing) {
  const TempDir dir;
  write_weights(dir / "m-00001-of-00003.safetensors", {"a"});
  const Result<Model> model = Model::open(dir.path().string());
  ASSERT_FALSE(model);
  EXPECT_EQ(model.error().message,
            "2 of the 3 files of 'm-*-of-00003.safetensors' are missing, first "
            "'m-00002-of-00003.safetensors'");
}

TEST(Bundle, ForgedSetCountCostsNothing) {
  const TempDir dir;
  write_weights(dir / "m-00000001-of-99999999.safetensors", {"a"});
  const Result<Model> model = Model::open(dir.path().string());
  ASSERT_FALSE(model);
  EXPECT_NE(model.error().message.find("99,999,998 of the 99,999,999 files"), std::string::npos)
      << model.error().message;
}

TEST(Bundle, DisjointFilesAreOneModelWhereAConfigSaysSo) {
  const TempDir dir;
  write_weights(dir / "part1.safetensors", {"a"});
  write_weights(dir / "part2.safetensors", {"b"});
  write_file(dir / "config.json", R"({"model_type":"llama"})");
  const Result<Model> model = Model::open(dir.path().string());
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_EQ(model->tensors().size(), 2u);

  write_weights(dir / "part2.safetensors", {"a"});
  const Result<Model> clash = Model::open(dir.path().string());
  ASSERT_FALSE(clash);
  EXPECT_NE(clash.error().message.find("tensor 'a' is in 'part1.safetensors' and in "
                                       "'part2.safetensors'"),
            std::string::npos)
      << clash.error().message;
  EXPECT_NE(clash.error().hint.find("part1.safetensors"), std::string::npos);
}

// T19
TEST(Bundle, TensorInTwoShardsOfASetWithoutIndex) {
  const TempDir dir;
  write_weights(dir / "m-1-of-2.safetensors", {"a", "b"});
  write_weights(dir / "m-2-of-2.safetensors", {"b", "c"});
  const Result<Model> model = Model::scan(dir.path().string());
  ASSERT_TRUE(model);
  const Finding* finding = find(*model, Check::TensorInTwoShards);
  ASSERT_NE(finding, nullptr);
  EXPECT_EQ(finding->tensor, "b");
  EXPECT_NE(finding->message.find("(m-1-of-2.safetensors)"), std::string::npos);
  EXPECT_FALSE(Model::open(dir.path().string()));
}

TEST(Bundle, IndexWinsOverAStrayFile) {
  const TempDir dir;
  ModelBuilder()
      .tensor("a", DType::F32, {2})
      .tensor("b", DType::F32, {2})
      .shards(2)
      .write(dir.path());
  write_weights(dir / "model.safetensors", {"stale"});
  const Result<Model> model = Model::open(dir.path().string());
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_EQ(model->tensors().size(), 2u);
  EXPECT_EQ(model->find("stale"), nullptr);
  const Finding* finding = find(*model, Check::StrayWeights);
  ASSERT_NE(finding, nullptr);
  EXPECT_NE(finding->message.find("stkit takes the shards"), std::string::npos);
}

TEST(Bundle, StaleIndexOfMergedShardsSaysHowToGetRidOfIt) {
  const TempDir dir;
  write_weights(dir / "model.safetensors", {"a"});
  write_file(dir / "model.safetensors.index.json",
             R"({"weight_map":{"a":"model-00001-of-00001.safetensors"}})");
  const Result<Model> model = Model::scan(dir.path().string());
  ASSERT_TRUE(model);
  EXPECT_EQ(count(*model, Check::MissingShard), 1u);
  EXPECT_NE(find(*model, Check::StrayWeights)->hint.find("remove the index"), std::string::npos);
}

// T20
TEST(Bundle, NamesThatDifferInCaseOnlyCollideElsewhere) {
  const TempDir dir;
  write_weights(dir / "model.safetensors", {"a"});
  write_file(dir / "Config.json", "{}");
  write_file(dir / "config.json", "{}");
  write_file(dir / "CONFIG.JSON", "{}");
  const Result<Model> model = Model::open(dir.path().string());
  ASSERT_TRUE(model);
  ASSERT_EQ(count(*model, Check::CaseCollision), 1u);
  EXPECT_EQ(find(*model, Check::CaseCollision)->message,
            "'CONFIG.JSON', 'Config.json', 'config.json' differ in case only");
}

TEST(Bundle, UnfinishedDownloadsAreReported) {
  const TempDir dir;
  write_weights(dir / "model.safetensors", {"a"});
  const fs::path downloads = dir / ".cache" / "huggingface" / "download";
  write_file(downloads / "Zx1.0123abcd.incomplete", "12345");
  write_file(downloads / "sub" / "Zx2.incomplete", "");
  write_file(downloads / "model.safetensors.metadata", "commit\netag\n0\n");
  write_file(downloads / "lost.safetensors.metadata", "commit\netag\n0\n");
  write_file(downloads / "model.safetensors.lock", "");
  const Result<Model> model = Model::open(dir.path().string());
  ASSERT_TRUE(model);
  EXPECT_EQ(listed(*model), (Lines{"IX016 Zx1.0123abcd.incomplete", "IX016 Zx2.incomplete",
                                   "IX016 lost.safetensors"}));
  EXPECT_NE(find(*model, Check::PartialDownload)->message.find("of 5 bytes"), std::string::npos);
}

struct OtherFormat {
  const char* name;
  Lines files;
  const char* message;
};

TEST(Bundle, SaysWhatAFolderHoldsInstead) {
  const OtherFormat cases[] = {
      {"Megatron", {"mp_rank_00/model_optim_rng.pt"}, "a Megatron checkpoint ('mp_rank_00')"},
  };
  for (const OtherFormat& c : cases) {
    const TempDir dir;
    for (const std::string& file : c.files) write_file(dir / file, "x");
    const Result<Model> model = Model::scan(dir.path().string());
    ASSERT_FALSE(model) << c.name;
    EXPECT_EQ(model.error().code, ErrorCode::Unsupported) << c.name;
    EXPECT_NE(model.error().message.find(c.message), std::string::npos) << model.error().message;
    EXPECT_NE(model.error().hint.find("safetensors, GGUF, PyTorch"), std::string::npos) << c.name;
  }
}

TEST(Bundle, TakesSafetensorsFirstAndSaysSo) {
  const TempDir dir;
  write_weights(dir / "model.safetensors", {"a"});
  write_file(dir / "pytorch_model.bin", "x");
  const Result<Model> model = Model::open(dir.path().string());
  ASSERT_TRUE(model);
  const Finding* finding = find(*model, Check::UnlistedShard);
  ASSERT_NE(finding, nullptr);
  EXPECT_EQ(finding->severity(), Severity::Note);
  EXPECT_EQ(model->files().size(), 1u);
}

TEST(Bundle, EmptyFolderHasNoWeights) {
  const TempDir dir;
  write_file(dir / "config.json", "{}");
  const Result<Model> model = Model::scan(dir.path().string());
  ASSERT_TRUE(model);
  EXPECT_EQ(count(*model, Check::NoWeights), 1u);
  EXPECT_FALSE(Model::open(dir.path().string()));
}

TEST(Bundle, PipelineNamesItsComponents) {
  const TempDir dir;
  write_file(dir / "model_index.json", "{}");
  write_weights(dir / "unet" / "diffusion_pytorch_model.safetensors", {"a"});
  write_weights(dir / "vae" / "diffusion_pytorch_model.safetensors", {"a"});
  const Result<Model> model = Model::open(dir.path().string());
  ASSERT_FALSE(model);
  EXPECT_NE(model.error().message.find("'unet', 'vae'"), std::string::npos);
  EXPECT_EQ(model.error().hint, "name the one that is meant: " + (dir / "unet").string());
  EXPECT_TRUE(Model::open((dir / "unet").string()));
}

TEST(Bundle, CompanionsHaveRoles) {
  const TempDir dir;
  write_weights(dir / "model.safetensors", {"a"});
  for (const char* name :
       {"config.json", "tokenizer.json", "tokenizer_config.json", "preprocessor_config.json",
        "modeling_x.py", "README.md", "notes.txt", "optimizer.pt", "trainer_state.json",
        ".gitattributes", "1_Pooling/config.json", "runs/events"})
    write_file(dir / name, "{}");
  const Result<Model> model = Model::open(dir.path().string());
  ASSERT_TRUE(model);
  Lines files;
  for (const ModelFile& file : model->files())
    files.push_back(file.name + " " + std::string(name(file.role)));
  EXPECT_EQ(files, (Lines{"1_Pooling/config.json config", "README.md document",
                          "config.json config", "model.safetensors weights", "modeling_x.py code",
                          "notes.txt other", "preprocessor_config.json processor",
                          "tokenizer.json tokenizer", "tokenizer_config.json tokenizer"}));
}

}  // namespace
}  // namespace stkit::test
