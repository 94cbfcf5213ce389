// ZeRO checkpoints, as DeepSpeed lays them out, made without it.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <filesystem>
#include <numeric>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "stkit/model.h"
#include "support/model_values.h"
#include "support/pickle_values.h"
#include "support/state_file.h"
#include "support/temp_dir.h"

namespace stkit {
namespace {

using test::pickled_dict;
using test::pickled_list;
using test::pickled_number;
using test::pickled_size;
using test::pickled_text;
using test::PickleItems;
using test::StateFile;
using test::TempDir;
using test::values;
using test::write_file;

constexpr const char* kStage = "cdeepspeed.runtime.zero.config\nZeroStageEnum\n";
std::string stage(int64_t number_of) { return kStage + pickled_number(number_of) + "\x85R"; }

// Two groups: "a" [2, 3], "b" scalar, "none" [0]; and "c" [11]. Values count up through all of it.
const std::vector<std::pair<std::string, std::vector<int64_t>>> kGroups[] = {
    {{"a", {2, 3}}, {"b", {}}, {"none", {0}}}, {{"c", {11}}}};

int64_t elements(const std::vector<int64_t>& sizes) {
  return std::accumulate(sizes.begin(), sizes.end(), int64_t{1}, std::multiplies());
}

std::string param_shapes() {
  std::vector<std::string> groups;
  for (const auto& group : kGroups) {
    PickleItems items;
    for (const auto& [name, sizes] : group) items.emplace_back(name, pickled_size(sizes));
    groups.push_back(pickled_dict(items));
  }
  return pickled_list(groups);
}

struct Checkpoint {
  int64_t ranks = 3;
  int64_t stage_of = 2;
  bool padded = false;
  bool frozen_listed = true;
  int64_t less = 0;  // elements that the last group lacks
};

std::vector<float> counting(float first, int64_t count) {
  std::vector<float> values(static_cast<size_t>(count));
  std::iota(values.begin(), values.end(), first);
  return values;
}

// Elements [rank * part, ...) of `all`, with or without the zeros behind the end.
std::vector<float> slice(const std::vector<float>& all, int64_t rank, int64_t part, bool padded) {
  std::vector<float> values;
  for (int64_t i = rank * part; i < (rank + 1) * part; ++i)
    if (i < static_cast<int64_t>(all.size()))
      values.push_back(all[static_cast<size_t>(i)]);
    else if (padded)
      values.push_back(0);
  return values;
}

void write_model_state(const std::filesystem::path& path, const Checkpoint& c, int64_t rank,
                       int64_t step = 7) {
  StateFile file;
  PickleItems module, frozen_shapes = {{"frozen", pickled_size({4})}}, fragments;
  for (const auto& group : kGroups)
    for (const auto& [name, sizes] : group) {
      const std::vector<uint16_t> values(c.stage_of == 3 ? 0
                                                         : static_cast<size_t>(elements(sizes)));
      module.emplace_back(name,
                          file.halves(values, c.stage_of == 3 ? std::vector<int64_t>{0} : sizes));
    }
  const std::vector<uint16_t> frozen = {1, 2, 3, 4};
  if (c.stage_of == 3) {
    const int64_t part = (4 + c.ranks - 1) / c.ranks;
    std::vector<uint16_t> fragment;
    for (int64_t i = rank * part; i < (rank + 1) * part; ++i)
      fragment.push_back(i < 4 ? frozen[static_cast<size_t>(i)] : uint16_t{0});
    fragments.emplace_back("frozen", file.halves(fragment, {part}));
    module.emplace_back("frozen", file.halves({}, {0}));
  } else {
    module.emplace_back("frozen", file.halves(frozen, {4}));
    fragments.emplace_back("frozen", file.halves(frozen, {4}));
  }
  module.emplace_back("position_ids", file.longs({5, 6}));
  if (c.stage_of == 3)
    module.emplace_back("head", file.halves({}, {0}));
  else
    module.emplace_back("head", file.halves(std::vector<uint16_t>(6), {2, 3}));
  file.write(
      path,
      pickled_dict({{"module", pickled_dict(module)},
                    {"buffer_names", pickled_list({pickled_text("position_ids")})},
                    {"param_shapes", param_shapes()},
                    {"frozen_param_shapes", c.frozen_listed ? pickled_dict(frozen_shapes) : "N"},
                    {"frozen_param_fragments", c.frozen_listed ? pickled_dict(fragments) : "N"},
                    {"shared_params", pickled_dict({{"head", pickled_text("a")}})},
                    {"global_steps", pickled_number(step)}}));
}

void write_optim_state(const std::filesystem::path& path, const Checkpoint& c, int64_t rank) {
  StateFile file;
  std::vector<std::string> parts;
  if (c.stage_of == 3) {
    float first = 0;
    std::vector<float> flat;
    for (const auto& group : kGroups) {
      for (const auto& [name, sizes] : group) {
        const int64_t count = elements(sizes), part = (count + c.ranks - 1) / c.ranks;
        const auto piece = slice(counting(first, count), rank, part, true);
        flat.insert(flat.end(), piece.begin(), piece.end());
        first += static_cast<float>(count);
      }
    }
    flat.resize(flat.size() - static_cast<size_t>(c.less));
    // In sub-groups that cut through parameters.
    const auto middle = flat.begin() + static_cast<std::ptrdiff_t>(flat.size() / 2);
    parts = {file.floats({flat.begin(), middle}), file.floats({middle, flat.end()})};
  } else {
    float first = 0;
    for (const auto& group : kGroups) {
      int64_t count = 0;
      for (const auto& [name, sizes] : group) count += elements(sizes);
      const int64_t alignment = 2 * c.ranks;
      const int64_t part = (count + alignment - 1) / alignment * 2;
      auto all = counting(first, count);
      first += static_cast<float>(count);
      if (&group == &kGroups[1]) all.resize(all.size() - static_cast<size_t>(c.less));
      parts.push_back(file.floats(slice(all, rank, part, c.padded)));
    }
  }
  const char* key = c.stage_of == 3 ? "fp32_flat_groups" : "single_partition_of_fp32_groups";
  const std::string ranks = pickled_number(c.ranks);
  file.write(path,
             pickled_dict({{"optimizer_state_dict",
                            pickled_dict({{"zero_stage", stage(c.stage_of)},
                                          {"partition_count",
                                           c.stage_of == 3 ? ranks : pickled_list({ranks, ranks})},
                                          {key, pickled_list(parts)}})}}));
}

void write_checkpoint(const std::filesystem::path& folder, const Checkpoint& c) {
  write_file(folder / "latest", "global_step7\n");
  const auto tag = folder / "global_step7";
  for (int64_t rank = 0; rank < c.ranks; ++rank) {
    const std::string name = "zero_pp_rank_" + std::to_string(rank) + "_mp_rank_00_";
    if (c.stage_of == 3) write_model_state(tag / (name + "model_states.pt"), c, rank);
    write_optim_state(tag / ("bf16_" + name + "optim_states.pt"), c, rank);
  }
  if (c.stage_of < 3) write_model_state(tag / "mp_rank_00_model_states.pt", c, 0);
}

void expect_whole(const Model& model) {
  EXPECT_EQ(model.format(), FileFormat::DeepSpeed);
  EXPECT_EQ(values<float>(model, "a"), counting(0, 6));
  EXPECT_EQ(values<float>(model, "b"), counting(6, 1));
  EXPECT_EQ(values<float>(model, "none"), counting(0, 0));
  EXPECT_EQ(values<float>(model, "c"), counting(7, 11));
  EXPECT_EQ(values<float>(model, "head"), counting(0, 6));
  EXPECT_EQ(values<uint16_t>(model, "frozen"), (std::vector<uint16_t>{1, 2, 3, 4}));
  EXPECT_EQ(values<int64_t>(model, "position_ids"), (std::vector<int64_t>{5, 6}));
  EXPECT_EQ(model.find("frozen")->dtype, DType::BF16);
  EXPECT_EQ(model.find("position_ids")->dtype, DType::I64);
  EXPECT_EQ(model.tensors().size(), 7u);
}

// T26
TEST(DeepSpeed, EveryStageAndNumberOfRanksIsMadeWhole) {
  for (const int64_t stage_of : {1, 2, 3})
    for (const int64_t ranks : {1, 3, 8})
      for (const bool padded : {false, true}) {
        SCOPED_TRACE(std::to_string(stage_of) + " " + std::to_string(ranks));
        const TempDir dir;
        write_checkpoint(dir.path(), {.ranks = ranks, .stage_of = stage_of, .padded = padded});
        const auto model = Model::open(dir.path().string());
        ASSERT_TRUE(model.has_value()) << model.error().message;
        expect_whole(*model);
        // The folder of the tag is the same checkpoint.
        const auto tagged = Model::open((dir / "global_step7").string());
        ASSERT_TRUE(tagged.has_value()) << tagged.error().message;
        expect_whole(*tagged);
      }
}

// Stage 1 lists no frozen parameters, and DeepSpeed's own script loses them.
TEST(DeepSpeed, FrozenParametersOfStage1AreNotLost) {
  const TempDir dir;
  write_checkpoint(dir.path(), {.stage_of = 1, .frozen_listed = false});
  const auto model = Model::open(dir.path().string());
  ASSERT_TRUE(model.has_value()) << model.error().message;
  expect_whole(*model);
}

TEST(DeepSpeed, TheSixteenBitWeightsAreTakenWhenAskedFor) {
  const TempDir dir;
  write_checkpoint(dir.path(), {});
  OpenOptions options;
  options.key = "module";
  const auto model = Model::open(dir.path().string(), options);
  ASSERT_TRUE(model.has_value()) << model.error().message;
  EXPECT_EQ(model->find("a")->dtype, DType::BF16);
  EXPECT_EQ(model->find("c")->size_bytes, 22u);
}

// T26
TEST(DeepSpeed, WhatDoesNotFitTogetherIsRefused) {
  struct Case {
    const char* name;
    Checkpoint checkpoint;
    void (*edit)(const std::filesystem::path&);
    const char* message;
  };
  const auto nothing = [](const std::filesystem::path&) {};
  const Case cases[] = {
      {"a rank is missing",
       {},
       [](const std::filesystem::path& dir) {
         std::filesystem::remove(dir /
                                 "global_step7/bf16_zero_pp_rank_1_mp_rank_00_optim_states.pt");
       },
       "3 ranks, but there are 2 files *_optim_states.pt; missing: rank 1"},
      {"one rank too many",
       {},
       [](const std::filesystem::path& dir) {
         write_optim_state(dir / "global_step7/bf16_zero_pp_rank_3_mp_rank_00_optim_states.pt", {},
                           0);
       },
       "3 ranks, but there are 4 files"},
      {"of another run",
       {},
       [](const std::filesystem::path& dir) {
         write_optim_state(dir / "global_step7/bf16_zero_pp_rank_1_mp_rank_00_optim_states.pt",
                           {.ranks = 8}, 1);
       },
       "files of 3 ranks at stage 2 and of 8 ranks"},
      {"of another step",
       {.stage_of = 3},
       [](const std::filesystem::path& dir) {
         write_model_state(dir / "global_step7/zero_pp_rank_2_mp_rank_00_model_states.pt",
                           {.stage_of = 3}, 2, 8);
       },
       "files of steps 7 and 8"},
      {"a state of a rank is missing",
       {.stage_of = 3},
       [](const std::filesystem::path& dir) {
         std::filesystem::remove(dir / "global_step7/zero_pp_rank_2_mp_rank_00_model_states.pt");
       },
       "2 files *_model_states.pt; missing: rank 2"},
      {"an element is missing",
       {.less = 1},
       nothing,
       "take 11 elements, the partitions of 3 ranks "
       "hold 10"},
      {"an element of stage 3 is missing",
       {.stage_of = 3, .less = 1},
       nothing,
       "rank 0: the parameters take 7 elements, its partition holds 6"},
      {"latest leads outside",
       {},
       [](const std::filesystem::path& dir) { write_file(dir / "latest", "../x"); },
       "the tag '../x' is no plain name"},
      {"latest leads nowhere",
       {},
       [](const std::filesystem::path& dir) { write_file(dir / "latest", "global_step8"); },
       "no checkpoint of tag 'global_step8'"},
      {"tensor parallel",
       {},
       [](const std::filesystem::path& dir) {
         write_file(dir / "global_step7/mp_rank_01_model_states.pt", "x");
       },
       "tensor parallelism"},
      {"experts",
       {},
       [](const std::filesystem::path& dir) {
         write_file(dir / "global_step7/layer_0_expert_1_mp_rank_00_model_states.pt", "x");
       },
       "a model of experts"},
      {"no partition",
       {},
       [](const std::filesystem::path& dir) {
         StateFile file;
         file.write(dir / "global_step7/bf16_zero_pp_rank_0_mp_rank_00_optim_states.pt",
                    pickled_dict({}));
       },
       "no optimizer_state_dict"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const TempDir dir;
    write_checkpoint(dir.path(), c.checkpoint);
    c.edit(dir.path());
    const auto model = Model::open(dir.path().string());
    ASSERT_FALSE(model.has_value());
    EXPECT_NE(model.error().message.find(c.message), std::string::npos) << model.error().message;
  }
}

// T26
TEST(DeepSpeed, TheTagIsChosen) {
  const TempDir dir;
  write_checkpoint(dir.path(), {});
  std::filesystem::copy(dir / "global_step7", dir / "global_step8");
  OpenOptions options;
  options.tag = "global_step8";
  EXPECT_TRUE(Model::open(dir.path().string(), options).has_value());
  std::filesystem::remove(dir / "latest");
  const auto several = Model::open(dir.path().string());
  ASSERT_FALSE(several.has_value());
  EXPECT_NE(several.error().message.find("'global_step7', 'global_step8'"), std::string::npos)
      << several.error().message;
}

// As DeepSpeed 0.19.8 wrote them, see tests/data/deepspeed/remake.py.
TEST(DeepSpeed, RealCheckpointsAreReadAtEveryStage) {
  for (int stage_of = 0; stage_of <= 3; ++stage_of) {
    SCOPED_TRACE("stage " + std::to_string(stage_of));
    const auto model = Model::open(STKIT_TEST_DATA "/deepspeed/stage" + std::to_string(stage_of));
    ASSERT_TRUE(model.has_value()) << model.error().message;
    EXPECT_EQ(model->format(), FileFormat::DeepSpeed);
    EXPECT_EQ(model->tensors().size(), 6u);
    const std::pair<const char*, std::vector<float>> expected[] = {
        {"embed.weight", counting(0, 15)}, {"head.weight", counting(0, 15)},
        {"up.weight", counting(10, 21)},   {"up.bias", counting(20, 7)},
        {"frozen", counting(30, 3)},
    };
    for (const auto& [name, wanted] : expected) {
      SCOPED_TRACE(name);
      const TensorInfo* const tensor = model->find(name);
      ASSERT_NE(tensor, nullptr);
      if (tensor->dtype == DType::F32) {
        EXPECT_EQ(values<float>(*model, name), wanted);
        continue;
      }
      // What is not trained is kept in 16 bits alone, at stage 0 everything is.
      EXPECT_EQ(tensor->dtype, DType::BF16);
      EXPECT_TRUE(stage_of == 0 || std::string_view(name) == "frozen");
      std::vector<float> wide;
      for (const uint16_t half : values<uint16_t>(*model, name))
        wide.push_back(std::bit_cast<float>(uint32_t{half} << 16));
      EXPECT_EQ(wide, wanted);
    }
    EXPECT_EQ(values<int64_t>(*model, "positions"), (std::vector<int64_t>{40, 41, 42, 43}));
  }
}

}  // namespace
}  // namespace stkit
