// merge --pytorch-bin: archives for torch.load, read back by the library's own reader.
#include "formats/zip_reader.h"
#include "merge_support.h"
#include "support/torch_builder.h"

namespace stkit {
namespace {

using namespace test;

MergeRun for_torch(MergeOptions options = {}, RunOptions run = {}) {
  options.pytorch_bin = true;
  options.sync = false;
  return {.options = std::move(options), .run = run};
}

// The bytes of each tensor, with its dtype and shape in front.
std::map<std::string, std::string> contents(const std::filesystem::path& path) {
  std::map<std::string, std::string> tensors;
  const Result<Model> model = Model::open(path.string());
  if (!model) {
    ADD_FAILURE() << model.error().path << ": " << model.error().message;
    return tensors;
  }
  for (const TensorInfo& tensor : model->tensors()) {
    std::string bytes(tensor.size_bytes, '\0');
    EXPECT_TRUE(
        model->read(tensor, 0, tensor.element_count, std::as_writable_bytes(std::span(bytes))));
    std::string head(name(tensor.dtype));
    for (const uint64_t dimension : tensor.shape) head += " " + std::to_string(dimension);
    tensors.emplace(tensor.name, head + "\n" + bytes);
  }
  return tensors;
}

void expect_right_sums(const std::filesystem::path& path) {
  const auto file = open_local_file(path);
  ASSERT_TRUE(file.has_value());
  const auto directory = read_zip_directory(**file, 1 << 20);
  ASSERT_TRUE(directory.has_value());
  ASSERT_TRUE(directory->sound()) << directory->findings.front().message;
  for (const ZipEntry& entry : directory->entries) {
    const auto content = read_zip_entry(**file, entry, 1 << 26);
    ASSERT_TRUE(content.has_value()) << entry.name;
    EXPECT_TRUE(content->crc_matches) << entry.name;
    EXPECT_EQ(entry.data_offset % 64, 0u) << entry.name;
  }
}

ModelBuilder many_types() {
  ModelBuilder model;
  for (const DType dtype : {DType::F32, DType::BF16, DType::F16, DType::I64, DType::U8, DType::BOOL,
                            DType::F8_E4M3, DType::C64, DType::F4, DType::U16})
    model.tensor("layers.0." + std::string(name(dtype)), dtype, {6, 10});
  return model.tensor("scalar", DType::F32, {})
      .tensor("empty", DType::F32, {0, 7})
      .tensor("large", DType::F32, {700, 1000})
      .config("{}");
}

TEST(MergePytorch, ReadsBackEqual) {
  TempDir dir;
  many_types().shards(3).write(dir / "in");
  const MergeReport report = must_merge(dir / "in", dir / "out", for_torch({.verify = true}));
  EXPECT_TRUE(report.model_digest.has_value());
  EXPECT_EQ(names_below(dir / "out"), (std::set<std::string>{"config.json", "pytorch_model.bin"}));
  EXPECT_EQ(contents(dir / "out"), contents(dir / "in"));
  expect_right_sums(dir / "out/pytorch_model.bin");
  must_merge(dir / "out", dir / "back", {});
  EXPECT_EQ(contents(dir / "back"), contents(dir / "in"));
  EXPECT_EQ(must_merge(dir / "in", dir / "digest", {.options = {.sync = false, .verify = true}})
                .model_digest,
            report.model_digest);
}

TEST(MergePytorch, SameBytesForAnyThreadsMemoryAndIo) {
  TempDir dir;
  many_types().write(dir / "in");
  must_merge(dir / "in", dir / "one.bin", for_torch({}, {.threads = 1}));
  const std::string one = read_file(dir / "one.bin");
  int number = 0;
  for (const unsigned threads : {2u, 5u})
    for (const uint64_t memory : {uint64_t{0}, uint64_t{200} << 10})
      for (const IoMode io : {IoMode::Buffered, IoMode::Direct}) {
        const auto path = dir / std::to_string(++number) / "one.bin";
        std::filesystem::create_directory(path.parent_path());
        RunOptions run{.threads = threads};
        run.max_memory_bytes = memory;
        must_merge(dir / "in", path, for_torch({.io = io}, run));
        EXPECT_EQ(read_file(path) == one, true) << threads << " " << memory;
      }
}

TEST(MergePytorch, CastsAndSelections) {
  TempDir dir;
  many_types().write(dir / "in");
  const MergeOptions options{
      .dtype = DType::F16, .keep_dtype = {"scalar"}, .exclude = {"*.C64"}, .verify = true};
  must_merge(dir / "in", dir / "out", for_torch(options));
  must_merge(dir / "in", dir / "st", {.options = options});
  EXPECT_EQ(contents(dir / "out"), contents(dir / "st"));
  expect_right_sums(dir / "out/pytorch_model.bin");
}

std::string tied() {
  const std::vector<float> values{0, 1, 2, 3, 4, 5};
  return TorchBuilder()
      .storage("0", packed(values))
      .storage("1", packed(values))
      .tensor("embed", "Float", "0", 6, 0, {2, 3}, {3, 1})
      .tensor("other", "Float", "1", 6, 0, {2, 3}, {3, 1})
      .tensor("turned", "Float", "0", 6, 0, {3, 2}, {1, 3})
      .tensor("head", "Float", "0", 6, 0, {6}, {1})
      .tensor("turned again", "Float", "0", 6, 0, {3, 2}, {1, 3})
      .zip();
}

TEST(MergePytorch, TiedTensorsGoOnSharingTheirStorage) {
  TempDir dir;
  write_file(dir / "in/pytorch_model.bin", tied());
  must_merge(dir / "in", dir / "out", for_torch({.verify = true}));
  EXPECT_EQ(contents(dir / "out"), contents(dir / "in"));
  expect_right_sums(dir / "out/pytorch_model.bin");
  const Result<Model> model = Model::open((dir / "out").string());
  EXPECT_EQ(model->find("embed")->offset_bytes, model->find("head")->offset_bytes);
  EXPECT_EQ(model->find("turned")->offset_bytes, model->find("turned again")->offset_bytes);
  EXPECT_NE(model->find("embed")->offset_bytes, model->find("other")->offset_bytes);
  EXPECT_NE(model->find("embed")->offset_bytes, model->find("turned")->offset_bytes);

  // Unless only one of them is cast.
  must_merge(dir / "in", dir / "cast",
             for_torch({.dtype = DType::BF16, .keep_dtype = {"head"}, .verify = true}));
  const Result<Model> cast = Model::open((dir / "cast").string());
  EXPECT_EQ(cast->find("embed")->dtype, DType::BF16);
  EXPECT_EQ(cast->find("head")->dtype, DType::F32);
  EXPECT_EQ(cast->find("turned")->offset_bytes, cast->find("turned again")->offset_bytes);
}

TEST(MergePytorch, Shards) {
  TempDir dir;
  write_file(dir / "in/pytorch_model.bin", tied());
  must_merge(dir / "in", dir / "out", for_torch({.max_shard_bytes = 48}));
  EXPECT_EQ(names_below(dir / "out"), (std::set<std::string>{"pytorch_model-00001-of-00002.bin",
                                                             "pytorch_model-00002-of-00002.bin",
                                                             "pytorch_model.bin.index.json"}));
  // Three storages of 24 bytes; what is shared counts once and stays together.
  EXPECT_EQ(read_file(dir / "out/pytorch_model.bin.index.json"), R"({
  "metadata": {
    "total_size": 72
  },
  "weight_map": {
    "embed": "pytorch_model-00001-of-00002.bin",
    "head": "pytorch_model-00001-of-00002.bin",
    "other": "pytorch_model-00002-of-00002.bin",
    "turned": "pytorch_model-00001-of-00002.bin",
    "turned again": "pytorch_model-00001-of-00002.bin"
  }
}
)");
  EXPECT_EQ(contents(dir / "out"), contents(dir / "in"));
}

TEST(MergePytorch, RefusesBeforeTheFirstByte) {
  TempDir dir;
  ModelBuilder().tensor("w", DType::F32, {4}).tensor("six", DType::F6_E3M2, {4}).write(dir / "in");
  ModelBuilder().tensor("w", DType::F32, {4}).write(dir / "good");
  ModelBuilder().tensor("v", DType::F32, {4}).write(dir / "full");
  write_file(dir / "x.safetensors", "x");
  const struct {
    const char* name;
    std::string from, to;
    MergeOptions options;
    ErrorCode code;
    std::string_view part;
  } kCases[] = {
      {"dtype", "in", "out", {}, ErrorCode::Unsupported, "'six' is of F6_E3M2"},
      {"metadata", "good", "out", {.metadata = {{"a", "b"}}}, ErrorCode::Usage, "metadata"},
      {"alignment", "good", "out", {.data_alignment = 65536}, ErrorCode::Usage, "32,768"},
      {"ending", "good", "x.safetensors", {}, ErrorCode::OutputExists, "does not end in .bin"},
      {"safetensors beside it", "good", "full", {}, ErrorCode::OutputExists, "model.safetensors"},
  };
  for (const auto& c : kCases) {
    const auto done = try_merge(dir / c.from, dir / c.to, for_torch(c.options));
    ASSERT_FALSE(done.has_value()) << c.name;
    EXPECT_EQ(done.error().code, c.code) << c.name;
    EXPECT_NE(done.error().message.find(c.part), std::string::npos)
        << c.name << ": " << done.error().message;
    EXPECT_FALSE(std::filesystem::exists(dir / "out")) << c.name;
  }
}

TEST(MergePytorch, AStaleIndexGoesWithForce) {
  TempDir dir;
  write_file(dir / "in/pytorch_model.bin", tied());
  must_merge(dir / "in", dir / "out", for_torch({.max_shard_bytes = 48}));
  must_merge(dir / "in", dir / "out", for_torch({.overwrite = true}));
  EXPECT_FALSE(std::filesystem::exists(dir / "out/pytorch_model.bin.index.json"));
  EXPECT_TRUE(std::filesystem::exists(dir / "out/pytorch_model.bin"));
}

}  // namespace
}  // namespace stkit
