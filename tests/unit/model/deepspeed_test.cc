// ZeRO checkpoints, as DeepSpeed lays them out, made without it.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <numeric>
#include <string>
#include <vector>

#include "stkit/model.h"
#include "support/temp_dir.h"
#include "support/torch_builder.h"

namespace stkit {
namespace {

using namespace std::string_literals;
using test::packed;
using test::PickleBuilder;
using test::TempDir;
using test::TorchBuilder;
using test::write_file;

// Instructions for one value.
std::string value(const PickleBuilder& builder) {
  const std::string bytes = builder.bytes();
  return bytes.substr(0, bytes.size() - 1);
}
std::string text(std::string_view content) { return value(PickleBuilder(0).string(content)); }
std::string number(int64_t content) { return value(PickleBuilder(0).integer(content)); }
std::string shape(const std::vector<int64_t>& sizes) {
  return "ctorch\nSize\n" + value(PickleBuilder(0).integers(sizes)) + "\x85R";
}
std::string list(const std::vector<std::string>& values) {
  std::string all = "](";
  for (const std::string& one : values) all += one;
  return all + "e";
}
using Items = std::vector<std::pair<std::string, std::string>>;
std::string dict(const Items& items) {
  std::string all = "}(";
  for (const auto& [key, one] : items) all += text(key) + one;
  return all + "u";
}

// A file of torch.save whose storages are numbered as they are used.
class StateFile {
 public:
  std::string floats(const std::vector<float>& values, std::vector<int64_t> sizes = {}) {
    if (sizes.empty()) sizes = {static_cast<int64_t>(values.size())};
    return view("Float", packed(values), static_cast<int64_t>(values.size()), sizes);
  }
  std::string halves(const std::vector<uint16_t>& values, const std::vector<int64_t>& sizes) {
    return view("BFloat16", packed(values), static_cast<int64_t>(values.size()), sizes);
  }
  std::string longs(const std::vector<int64_t>& values) {
    return view("Long", packed(values), static_cast<int64_t>(values.size()),
                {static_cast<int64_t>(values.size())});
  }
  void write(const std::filesystem::path& path, const std::string& object) {
    write_file(path, builder_.object("\x80\x02" + object + ".").zip());
  }

 private:
  std::string view(std::string_view type, std::string bytes, int64_t count,
                   const std::vector<int64_t>& sizes) {
    const std::string key = std::to_string(number_++);
    builder_.storage(key, std::move(bytes));
    std::vector<int64_t> strides(sizes.size());
    int64_t step = 1;
    for (size_t i = sizes.size(); i-- > 0; step *= sizes[i]) strides[i] = step;
    return value(PickleBuilder(0).tensor(type, key, count, 0, sizes, strides));
  }

  TorchBuilder builder_;
  int number_ = 0;
};

constexpr const char* kStage = "cdeepspeed.runtime.zero.config\nZeroStageEnum\n";
std::string stage(int64_t number_of) { return kStage + number(number_of) + "\x85R"; }

// Two groups: "a" [2, 3], "b" scalar, "none" [0]; and "c" [11]. Values count up through all of it.
const std::vector<std::pair<std::string, std::vector<int64_t>>> kGroups[] = {
    {{"a", {2, 3}}, {"b", {}}, {"none", {0}}}, {{"c", {11}}}};

int64_t elements(const std::vector<int64_t>& sizes) {
  return std::accumulate(sizes.begin(), sizes.end(), int64_t{1}, std::multiplies());
}

std::string param_shapes() {
  std::vector<std::string> groups;
  for (const auto& group : kGroups) {
    Items items;
    for (const auto& [name, sizes] : group) items.emplace_back(name, shape(sizes));
    groups.push_back(dict(items));
  }
  return list(groups);
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
  Items module, frozen_shapes = {{"frozen", shape({4})}}, fragments;
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
  file.write(path, dict({{"module", dict(module)},
                         {"buffer_names", list({text("position_ids")})},
                         {"param_shapes", param_shapes()},
                         {"frozen_param_shapes", c.frozen_listed ? dict(frozen_shapes) : "N"},
                         {"frozen_param_fragments", c.frozen_listed ? dict(fragments) : "N"},
                         {"shared_params", dict({{"head", text("a")}})},
                         {"global_steps", number(step)}}));
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
  const std::string ranks = number(c.ranks);
  file.write(path, dict({{"optimizer_state_dict",
                          dict({{"zero_stage", stage(c.stage_of)},
                                {"partition_count", c.stage_of == 3 ? ranks : list({ranks, ranks})},
                                {key, list(parts)}})}}));
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

template <class T>
std::vector<T> read(const Model& model, std::string_view name) {
  const TensorInfo* tensor = model.find(name);
  EXPECT_NE(tensor, nullptr) << name;
  if (tensor == nullptr) return {};
  std::vector<T> values(tensor->size_bytes / sizeof(T));
  EXPECT_TRUE(
      model.read(*tensor, 0, tensor->element_count, std::as_writable_bytes(std::span(values))));
  return values;
}

void expect_whole(const Model& model) {
  EXPECT_EQ(model.format(), FileFormat::DeepSpeed);
  EXPECT_EQ(read<float>(model, "a"), counting(0, 6));
  EXPECT_EQ(read<float>(model, "b"), counting(6, 1));
  EXPECT_EQ(read<float>(model, "none"), counting(0, 0));
  EXPECT_EQ(read<float>(model, "c"), counting(7, 11));
  EXPECT_EQ(read<float>(model, "head"), counting(0, 6));
  EXPECT_EQ(read<uint16_t>(model, "frozen"), (std::vector<uint16_t>{1, 2, 3, 4}));
  EXPECT_EQ(read<int64_t>(model, "position_ids"), (std::vector<int64_t>{5, 6}));
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
         file.write(dir / "global_step7/bf16_zero_pp_rank_0_mp_rank_00_optim_states.pt", dict({}));
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

}  // namespace
}  // namespace stkit
