// Checkpoints that many processes saved, each its own part: torch.distributed.checkpoint in both of
// its formats, and files of ranks.
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <numeric>
#include <string>
#include <vector>

#include "findings.h"
#include "stkit/model.h"
#include "support/model_builder.h"
#include "support/model_values.h"
#include "support/pickle_values.h"
#include "support/state_file.h"
#include "support/temp_dir.h"

namespace stkit {
namespace {

namespace fs = std::filesystem;
using namespace std::string_literals;
using test::floats;
using test::messages;
using test::names;
using test::pickled_dict;
using test::pickled_list;
using test::pickled_number;
using test::pickled_object;
using test::pickled_size;
using test::pickled_text;
using test::pickled_tuple;
using test::PickleItems;
using test::StateFile;
using test::TempDir;
using test::values;
using test::write_file;

std::vector<float> counting(float first, size_t count) {
  std::vector<float> all(count);
  std::iota(all.begin(), all.end(), first);
  return all;
}

// --- as torch 2.13 wrote them, see tests/data/distributed/remake.py -----------------------------

fs::path data(std::string_view name) { return fs::path(STKIT_TEST_DATA) / "distributed" / name; }

void expect_net(const Model& model) {
  EXPECT_EQ(names(model).size(), std::string("up.weight up.bias down.weight steps ").size());
  EXPECT_EQ(floats(model, "up.weight"), counting(0, 28));
  EXPECT_EQ(floats(model, "up.bias"), counting(100, 7));
  EXPECT_EQ(floats(model, "down.weight"), counting(200, 21));
  EXPECT_EQ(values<int64_t>(model, "steps"), std::vector<int64_t>{300});
  const TensorInfo& weight = *model.find("up.weight");
  EXPECT_EQ(std::vector(weight.shape.begin(), weight.shape.end()), (std::vector<uint64_t>{7, 4}));
}

TEST(Distributed, ACheckpointOfFsdp2IsMadeWhole) {
  const auto model = Model::open(data("dcp").string());
  ASSERT_TRUE(model.has_value()) << model.error().message;
  EXPECT_EQ(model->format(), FileFormat::Dcp);
  expect_net(*model);
  const Finding* const skipped = test::find(*model, Check::SkippedValues);
  ASSERT_NE(skipped, nullptr);
  EXPECT_NE(skipped->message.find("first 'app.optim."), std::string::npos) << skipped->message;
}

TEST(Distributed, AnyFileOfACheckpointStandsForAllOfIt) {
  for (const char* file :
       {"dcp/.metadata", "dcp/__1_0.distcp", "ranks/model_world_size_6_rank_3.pt"}) {
    const auto model = Model::open(data(file).string());
    ASSERT_TRUE(model.has_value()) << model.error().message;
    expect_net(*model);
  }
}

TEST(Distributed, TheKeyChoosesAnotherDict) {
  OpenOptions options;
  options.key = "app.optim.state.up.weight";
  const auto moments = Model::open(data("dcp").string(), options);
  ASSERT_TRUE(moments.has_value()) << moments.error().message;
  EXPECT_EQ(names(*moments), "momentum_buffer ");
  options.key = "app.ema";
  const auto none = Model::open(data("dcp").string(), options);
  ASSERT_FALSE(none.has_value());
  EXPECT_NE(none.error().message.find("no dict of tensors at 'app.ema'; there are 'app.model'"),
            std::string::npos)
      << none.error().message;
}

// Tensor parallelism under FSDP2 on a mesh of 3 x 2, in sizes that neither divides.
TEST(Distributed, FilesOfRanksOnATwoDimensionalMeshAreMadeWhole) {
  const auto model = Model::open(data("ranks").string());
  ASSERT_TRUE(model.has_value()) << model.error().message;
  EXPECT_EQ(model->format(), FileFormat::PyTorch);
  expect_net(*model);
  EXPECT_EQ(messages(*model), "");
}

TEST(Distributed, ShardsInSafetensorsAreMadeWhole) {
  const auto model = Model::open(data("safetensors").string());
  ASSERT_TRUE(model.has_value()) << model.error().message;
  EXPECT_EQ(model->format(), FileFormat::Dcp);
  EXPECT_EQ(floats(*model, "w"), counting(200, 21));
  EXPECT_EQ(values<int64_t>(*model, "steps"), std::vector<int64_t>{300});
}

TEST(Distributed, CheckpointsAreFoundBesideOtherFiles) {
  const TempDir dir;
  fs::create_directory(dir / "pytorch_model_fsdp_0");
  fs::copy(data("dcp"), dir / "pytorch_model_fsdp_0");
  fs::create_directory(dir / "optimizer_0");
  fs::copy(data("dcp"), dir / "optimizer_0");
  write_file(dir / "config.json", R"({"model_type": "net"})");
  const auto model = Model::open(dir.path().string());
  ASSERT_TRUE(model.has_value()) << model.error().message;
  expect_net(*model);
  EXPECT_TRUE(model->read_companion("config.json").has_value());

  fs::create_directory(dir / "pytorch_model_fsdp_1");
  fs::copy(data("dcp"), dir / "pytorch_model_fsdp_1");
  const auto two = Model::open(dir.path().string());
  ASSERT_FALSE(two.has_value());
  EXPECT_NE(two.error().message.find("'pytorch_model_fsdp_0/', 'pytorch_model_fsdp_1/'"),
            std::string::npos)
      << two.error().message;
}

TEST(Distributed, WholeWeightsComeFirstUnlessAnotherKindIsAskedFor) {
  const TempDir dir;
  fs::copy(data("dcp"), dir.path());
  test::ModelBuilder().tensor("w", DType::F32, {2}).write(dir.path());
  const auto gathered = Model::open(dir.path().string());
  ASSERT_TRUE(gathered.has_value()) << gathered.error().message;
  EXPECT_EQ(gathered->format(), FileFormat::Safetensors);
  OpenOptions options;
  options.format = FileFormat::Dcp;
  const auto parts = Model::open(dir.path().string(), options);
  ASSERT_TRUE(parts.has_value()) << parts.error().message;
  expect_net(*parts);
  options.format = FileFormat::DeepSpeed;
  const auto other = Model::open(dir.path().string(), options);
  ASSERT_FALSE(other.has_value());
  EXPECT_EQ(other.error().message, "is of the kind safetensors, not deepspeed");
}

TEST(Distributed, CompanionsOfFilesOfRanksLieInTheirOwnFolder) {
  const TempDir dir;
  fs::create_directory(dir / "actor");
  fs::copy(data("ranks"), dir / "actor");
  write_file(dir / "actor/huggingface/config.json", R"({"model_type": "net"})");
  const auto model = Model::open(dir.path().string());
  ASSERT_TRUE(model.has_value()) << model.error().message;
  expect_net(*model);
  EXPECT_TRUE(model->read_companion("config.json").has_value());
}

TEST(Distributed, ARankThatIsMissingIsNamed) {
  const TempDir dir;
  fs::copy(data("ranks"), dir.path());
  fs::remove(dir / "model_world_size_6_rank_4.pt");
  const auto model = Model::open(dir.path().string());
  ASSERT_FALSE(model.has_value());
  EXPECT_EQ(model.error().message,
            "6 processes saved the model, but 5 of their files are there; missing: rank 4");
}

TEST(Distributed, AFileOfAnotherRankLeavesAHole) {
  const TempDir dir;
  fs::copy(data("ranks"), dir.path());
  fs::copy_file(dir / "model_world_size_6_rank_0.pt", dir / "model_world_size_6_rank_3.pt",
                fs::copy_options::overwrite_existing);
  const auto model = Model::open(dir.path().string());
  ASSERT_FALSE(model.has_value());
  EXPECT_NE(model.error().message.find("of its 28 elements"), std::string::npos)
      << model.error().message;
}

// --- made in code ------------------------------------------------------------------------------

constexpr const char* kMetadata = "torch.distributed.checkpoint.metadata";
constexpr const char* kFilesystem = "torch.distributed.checkpoint.filesystem";

struct Chunk {
  std::vector<int64_t> origin, size;
  std::vector<int64_t> stored = {};  // the shape of what is in the file, where that differs
  bool is_listed = true;
};

struct Checkpoint {
  std::vector<int64_t> shape = {4, 3};
  std::vector<Chunk> chunks = {{{0, 0}, {2, 3}}, {{2, 0}, {2, 3}}};
  std::string dtype = "float32";
  std::string file = "__0_0.distcp";
  std::string extra = {};   // of the place of each chunk in its file: more attributes
  int64_t length_more = 0;  // than a chunk takes
  bool has_metadata = true;
};

int64_t product(const std::vector<int64_t>& sizes) {
  return std::accumulate(sizes.begin(), sizes.end(), int64_t{1}, std::multiplies());
}

// One tensor "w", whose chunks count up from 0, 100, 200, ...
void write_dcp(const fs::path& folder, const Checkpoint& c) {
  std::string data;
  std::vector<std::string> chunks;
  std::string storage = "}(";
  float first = 0;
  for (const Chunk& chunk : c.chunks) {
    const auto& stored = chunk.stored.empty() ? chunk.size : chunk.stored;
    StateFile item;
    const std::string bytes =
        item.bytes(item.floats(counting(first, static_cast<size_t>(product(stored))), stored));
    first += 100;
    chunks.push_back(pickled_object(kMetadata, "ChunkStorageMetadata",
                                    pickled_dict({{"offsets", pickled_size(chunk.origin)},
                                                  {"sizes", pickled_size(chunk.size)}})));
    if (chunk.is_listed) {
      storage += pickled_object(kMetadata, "MetadataIndex",
                                pickled_dict({{"fqn", pickled_text("w")},
                                              {"offset", pickled_size(chunk.origin)},
                                              {"index", pickled_number(0)}}));
      const auto length = static_cast<int64_t>(bytes.size()) + c.length_more;
      PickleItems place = {{"relative_path", pickled_text(c.file)},
                           {"offset", pickled_number(static_cast<int64_t>(data.size()))},
                           {"length", pickled_number(length)}};
      if (!c.extra.empty()) place.emplace_back("transform_descriptors", c.extra);
      storage += pickled_object(kFilesystem, "_StorageInfo", pickled_dict(place));
    }
    data += bytes;
  }
  const std::string properties =
      pickled_object(kMetadata, "TensorProperties", "(ctorch\n" + c.dtype + "\nNN\x89t");
  const std::string tensor = pickled_object(kMetadata, "TensorStorageMetadata",
                                            pickled_dict({{"properties", properties},
                                                          {"size", pickled_size(c.shape)},
                                                          {"chunks", pickled_list(chunks)}}));
  const std::string metadata =
      pickled_object(kMetadata, "Metadata",
                     pickled_dict({{"state_dict_metadata", pickled_dict({{"w", tensor}})},
                                   {"planner_data", "N"},
                                   {"storage_data", storage + "u"}}));
  write_file(folder / "__0_0.distcp", data);
  if (c.has_metadata) write_file(folder / ".metadata", "\x80\x02" + metadata + ".");
}

TEST(Distributed, ChunksOfAnyShapeAreJoined) {
  const TempDir dir;
  write_dcp(dir.path(),
            {.chunks = {{{0, 2}, {4, 1}},
                        {{0, 0}, {1, 2}},
                        {{1, 0}, {3, 2}},
                        {{1, 0}, {3, 2}}}});  // a replica, which takes the place of the other
  const auto model = Model::open(dir.path().string());
  ASSERT_TRUE(model.has_value()) << model.error().message;
  EXPECT_EQ(floats(*model, "w"),
            (std::vector<float>{100, 101, 0, 300, 301, 1, 302, 303, 2, 304, 305, 3}));
}

TEST(Distributed, AChunkThatIsAllOfATensorIsOneRun) {
  const TempDir dir;
  write_dcp(dir.path(), {.chunks = {{{0, 0}, {4, 3}}}});
  const auto model = Model::open(dir.path().string());
  ASSERT_TRUE(model.has_value()) << model.error().message;
  EXPECT_TRUE(model->find("w")->run().has_value());
  EXPECT_EQ(floats(*model, "w"), counting(0, 12));
}

TEST(Distributed, WhatDoesNotFitTogetherIsRefused) {
  struct Case {
    const char* name;
    Checkpoint checkpoint;
    const char* message;
  };
  const Case cases[] = {
      {"a hole",
       {.chunks = {{{0, 0}, {2, 3}}}},
       "tensor 'w': its 1 parts hold 6 of its 12 elements"},
      {"an overlap",
       {.chunks = {{{0, 0}, {3, 3}}, {{2, 0}, {2, 3}}}},
       "tensor 'w': its parts [3, 3] at [0, 0] and [2, 3] at [2, 0] overlap"},
      {"outside",
       {.chunks = {{{0, 0}, {2, 3}}, {{3, 0}, {2, 3}}}},
       "its part [2, 3] at [3, 0] is outside of [4, 3]"},
      {"another shape",
       {.chunks = {{{0, 0}, {2, 3}}, {.origin = {2, 0}, .size = {2, 3}, .stored = {3, 2}}}},
       "is F32 [3, 2], but should be F32 [2, 3]"},
      {"another dtype", {.dtype = "float64"}, "is F32 [2, 3], but should be F64 [2, 3]"},
      {"no dtype of safetensors", {.dtype = "complex128"}, "no dtype for 'torch.complex128'"},
      {"a chunk in no file",
       {.chunks = {{{0, 0}, {2, 3}}, {{2, 0}, {2, 3}, {}, false}}},
       "a chunk of tensor 'w' is stored in no file"},
      {"a missing file", {.file = "__7_0.distcp"}, "the file '__7_0.distcp' is missing"},
      {"a file outside", {.file = "../x.distcp"}, "'../x.distcp' leads out of the folder"},
      {"a truncated file",
       {.chunks = {{{0, 0}, {4, 3}}}, .length_more = 1},
       "but the file ends at byte"},
      {"compressed", {.extra = "](NNe"}, "'w' is stored transformed"},
      {"of another rank", {.chunks = {{{0}, {2}}}}, "a chunk of tensor 'w' has no place in it"},
      {"without metadata", {.has_metadata = false}, "has .distcp files, but no .metadata"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const TempDir dir;
    write_dcp(dir.path(), c.checkpoint);
    const auto model = Model::open(dir.path().string());
    ASSERT_FALSE(model.has_value());
    EXPECT_NE(model.error().message.find(c.message), std::string::npos) << model.error().message;
  }
}

// Two ranks of one dimension, in any placement that the text of a pickle can say.
void write_ranks(const fs::path& folder, const std::string& placement, int64_t coordinate_of_1 = 1,
                 int64_t rows_of_1 = 1) {
  for (int64_t rank = 0; rank < 2; ++rank) {
    StateFile file;
    const int64_t rows = rank == 0 ? 2 : rows_of_1;
    const std::string local =
        file.floats(counting(rank == 0 ? 0 : 4, static_cast<size_t>(rows * 2)), {rows, 2});
    const std::string axis = pickled_object("torch.distributed._mesh_layout", "_FlatLayout",
                                            pickled_dict({{"shape", pickled_size({2})}}));
    const std::string layout = pickled_object("torch.distributed._mesh_layout", "_MeshLayout",
                                              pickled_dict({{"axes", pickled_tuple({axis})}}));
    const std::string mesh = pickled_object(
        "torch.distributed.device_mesh", "DeviceMesh",
        pickled_dict({{"_layout", layout},
                      {"_coordinate_on_dim", pickled_size({rank == 0 ? 0 : coordinate_of_1})}}));
    const std::string spec =
        pickled_object("torch.distributed.tensor._dtensor_spec", "DTensorSpec",
                       pickled_dict({{"mesh", mesh}, {"placements", pickled_tuple({placement})}}));
    const std::string tensor =
        "ctorch._tensor\n_rebuild_from_type_v2\n(ctorch._utils\n_rebuild_wrapper_subclass\n"
        "ctorch.distributed.tensor\nDTensor\n(ctorch.distributed.tensor\nDTensor\n"
        "ctorch\nfloat32\n" +
        pickled_size({3, 2}) + pickled_size({2, 1}) + "K\0"s + "t" +
        pickled_tuple({"N", pickled_dict({{"_local_tensor", local}, {"_spec", spec}})}) + "tR";
    file.write(folder / ("model_world_size_2_rank_" + std::to_string(rank) + ".pt"),
               pickled_dict({{"w", tensor}}));
  }
}

std::string shard(int64_t dimension) {
  return pickled_object("torch.distributed.tensor.placement_types", "Shard",
                        pickled_dict({{"dim", pickled_number(dimension)}}));
}

TEST(Distributed, RanksAreJoinedByTheirPlacements) {
  const TempDir dir;
  write_ranks(dir.path(), shard(0));
  const auto model = Model::open(dir.path().string());
  ASSERT_TRUE(model.has_value()) << model.error().message;
  EXPECT_EQ(floats(*model, "w"), counting(0, 6));
}

TEST(Distributed, RanksThatDoNotFitTogetherAreRefused) {
  struct Case {
    const char* name;
    std::string placement;
    int64_t coordinate, rows;
    const char* message;
  };
  const std::string types = "torch.distributed.tensor.placement_types";
  const Case cases[] = {
      {"a sum", pickled_object(types, "Partial", "}"), 1, 1, "a sum that was not taken yet"},
      {"of no known kind", pickled_object(types, "Spiral", "}"), 1, 1, "dealt by 'Spiral'"},
      {"along no dimension", shard(2), 1, 1, "along a dimension that it has not"},
      {"outside of the mesh", shard(0), 2, 1, "its process is at [2] of a mesh of [2]"},
      {"too many rows", shard(0), 1, 2, "should hold [1, 2] of its [3, 2], but holds [2, 2]"},
      {"dealt as columns", shard(1), 1, 1, "should hold [3, 1] of its [3, 2], but holds [2, 2]"},
      {"a stride of nothing",
       pickled_object(
           types, "_StridedShard",
           pickled_dict({{"dim", pickled_number(0)}, {"split_factor", pickled_number(0)}})),
       1, 1, "the stride that it is dealt by is malformed"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const TempDir dir;
    write_ranks(dir.path(), c.placement, c.coordinate, c.rows);
    const auto model = Model::open(dir.path().string());
    ASSERT_FALSE(model.has_value());
    EXPECT_NE(model.error().message.find(c.message), std::string::npos) << model.error().message;
  }
}

TEST(Distributed, OneFileOfALoneTensorsPartsSaysWhatItIs) {
  const TempDir dir;
  write_ranks(dir.path(), shard(0));
  fs::rename(dir / "model_world_size_2_rank_0.pt", dir / "other.pt");
  const auto model = Model::open((dir / "other.pt").string());
  ASSERT_FALSE(model.has_value());
  EXPECT_NE(model.error().message.find("a part of a distributed tensor"), std::string::npos)
      << model.error().message;
}

void write_shard(const fs::path& path, const std::string& places, const std::string& shape,
                 size_t values_count, float first) {
  std::string header = R"({"__metadata__":{)" + places + R"(},"w":{"dtype":"F32","shape":)" +
                       shape + R"(,"data_offsets":[0,)" + std::to_string(values_count * 4) + "]}}";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  write_file(path, test::packed<uint64_t>({header.size()}) + header +
                       test::packed(counting(first, values_count)));
}

std::string place(const std::string& offsets) {
  return R"("DCP_SHARDING_INFO":"{\"w\": {\"saved_offsets\": )" + offsets + R"(}}")";
}

TEST(Distributed, SafetensorsShardsThatDoNotFitTogetherAreRefused) {
  struct Case {
    const char* name;
    std::string places;
    const char* shape;
    size_t count;
    const char* message;
  };
  const Case cases[] = {
      {"a hole", place("[3, 0]"), "[1,2]", 2, "its 2 parts hold 6 of its 8 elements"},
      {"an overlap", place("[1, 0]"), "[2,2]", 4, "[2, 2] at [0, 0] and [2, 2] at [1, 0] overlap"},
      {"no places", R"("format":"pt")", "[1,2]", 2, "lacks DCP_SHARDING_INFO"},
      {"no place", R"("DCP_SHARDING_INFO":"{}")", "[1,2]", 2, "gives no place to 'w'"},
      {"no JSON", R"("DCP_SHARDING_INFO":"{")", "[1,2]", 2, "DCP_SHARDING_INFO: "},
      {"of another rank", place("[4]"), "[2]", 2,
       "is F32 with 1 dimensions, others are F32 with 2"},
      {"beyond all", place("[18446744073709551615, 0]"), "[1,2]", 2, "is beyond 2^64"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const TempDir dir;
    write_shard(dir / "shard-00001-model-00001-of-00001.safetensors", place("[0, 0]"), "[2,2]", 4,
                0);
    write_shard(dir / "shard-00002-model-00001-of-00001.safetensors", c.places, c.shape, c.count,
                4);
    const auto model = Model::open(dir.path().string());
    ASSERT_FALSE(model.has_value());
    EXPECT_NE(model.error().message.find(c.message), std::string::npos) << model.error().message;
  }
}

}  // namespace
}  // namespace stkit
