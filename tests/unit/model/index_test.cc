// An index against what lies in its folder.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <map>

#include "stkit/json.h"
#include "stkit/model.h"
#include "support/model_builder.h"
#include "support/temp_dir.h"
#include "unit/model/findings.h"

namespace stkit::test {
namespace {

namespace fs = std::filesystem;
using Lines = std::vector<std::string>;

constexpr const char* kIndex = "model.safetensors.index.json";
constexpr const char* kShard1 = "model-00001-of-00003.safetensors";
constexpr const char* kShard2 = "model-00002-of-00003.safetensors";
constexpr const char* kShard3 = "model-00003-of-00003.safetensors";

// Six tensors of 16 bytes in three shards.
ModelBuilder six_tensors() {
  ModelBuilder builder;
  for (const char* name : {"a", "b", "c", "d", "e", "f"}) builder.tensor(name, DType::F32, {2, 2});
  builder.metadata("format", "pt").shards(3);
  return builder;
}

void write_index(const fs::path& folder,
                 const std::vector<std::pair<std::string, std::string>>& weight_map,
                 const std::string& total_size = "96") {
  std::string text;
  JsonWriter json(text);
  json.begin_object().key("metadata").begin_object().key("total_size").raw(total_size);
  json.end_object().key("weight_map").begin_object();
  for (const auto& [tensor, file] : weight_map) json.field(tensor, file);
  json.end_object().end_object();
  write_file(folder / kIndex, text);
}

const std::vector<std::pair<std::string, std::string>> kRightMap = {
    {"a", kShard1}, {"b", kShard1}, {"c", kShard2}, {"d", kShard2}, {"e", kShard3}, {"f", kShard3}};

void write_shard(const fs::path& path, const std::vector<std::string>& tensors) {
  ModelBuilder builder;
  for (const std::string& tensor : tensors) builder.tensor(tensor, DType::F32, {2, 2});
  write_file(path, builder.metadata("format", "pt").file_bytes());
}

Model scan(const fs::path& path) {
  Result<Model> model = Model::scan(path.string());
  EXPECT_TRUE(model) << model.error().message;
  return std::move(*model);
}

std::string names_of(const Model& model) {
  std::string names;
  for (const TensorInfo& tensor : model.tensors()) names += tensor.name;
  return names;
}

TEST(Index, OfASoundModelIsSilent) {
  const TempDir dir;
  six_tensors().write(dir.path());
  const Model model = scan(dir.path());
  EXPECT_EQ(listed(model), Lines{});
  EXPECT_EQ(names_of(model), "abcdef");
  EXPECT_EQ(model.files().size(), 4u);
  EXPECT_TRUE(Model::open(dir.path().string()));
  EXPECT_EQ(names_of(scan(dir / kIndex)), "abcdef");
}

struct UnsafeValue {
  const char* name;
  std::string value;
};

// T18
TEST(Index, NeverLeavesItsFolder) {
  const UnsafeValue cases[] = {
      {"parent", "../x.safetensors"},
      {"absolute", "/etc/passwd"},
      {"drive", "C:\\x"},
      {"share", "\\\\h\\s"},
      {"detour", "a/../../b"},
      {"NUL", std::string("x\0.safetensors", 14)},
      {"empty", ""},
  };
  for (const UnsafeValue& c : cases) {
    const TempDir dir;
    six_tensors().write(dir / "model");
    // What a fooled reader would find there.
    write_shard(dir / "x.safetensors", {"a"});
    write_shard(dir / "b", {"a"});
    auto map = kRightMap;
    map[0].second = c.value;
    write_index(dir / "model", map);

    const Model model = scan(dir / "model");
    const Finding* finding = find(model, Check::UnsafePath);
    ASSERT_NE(finding, nullptr) << c.name;
    EXPECT_NE(finding->message.find("places 1 tensor in "), std::string::npos) << finding->message;
    const Result<Model> opened = Model::open((dir / "model").string());
    ASSERT_FALSE(opened) << c.name;
    EXPECT_EQ(opened.error().code, ErrorCode::Corrupt);
    for (const ModelFile& file : model.files()) EXPECT_FALSE(file.path.ends_with("x.safetensors"));
  }
}

struct NoFile {
  const char* name;
  void (*make)(const fs::path& path, const fs::path& outside);
  const char* message;
};

// T18
TEST(Index, TakesRegularFilesOnly) {
  const NoFile cases[] = {
      {"link to the outside",
       [](const fs::path& path, const fs::path& outside) { fs::create_symlink(outside, path); },
       "leads outside the folder"},
      {"device",
       [](const fs::path& path, const fs::path&) { fs::create_symlink("/dev/zero", path); },
       "leads outside the folder"},
      {"FIFO",
       [](const fs::path& path, const fs::path&) { ASSERT_EQ(mkfifo(path.c_str(), 0600), 0); },
       "is a FIFO"},
      {"folder", [](const fs::path& path, const fs::path&) { fs::create_directory(path); },
       "is a folder"},
      {"link to nothing",
       [](const fs::path& path, const fs::path&) { fs::create_symlink("gone", path); },
       "does not exist"},
  };
  for (const NoFile& c : cases) {
    const TempDir dir;
    six_tensors().write(dir / "model");
    fs::remove(dir / "model" / kShard2);
    write_shard(dir / "outside.safetensors", {"c", "d"});
    c.make(dir / "model" / kShard2, dir / "outside.safetensors");

    const Model model = scan(dir / "model");
    EXPECT_EQ(listed(model), Lines{std::string("IX004 ") + kShard2}) << c.name;
    const Finding* finding = find(model, Check::NotAFile);
    ASSERT_NE(finding, nullptr) << c.name;
    EXPECT_NE(finding->message.find(c.message), std::string::npos) << finding->message;
    EXPECT_EQ(names_of(model), "abef") << c.name;
  }
}

// T18
TEST(Index, RefusesAShardBehindALinkedFolder) {
  const TempDir dir;
  six_tensors().write(dir / "model");
  write_shard(dir / "outside" / "x.safetensors", {"c", "d"});
  fs::create_directory_symlink(dir / "outside", dir / "model" / "sub");
  auto map = kRightMap;
  map[2].second = map[3].second = "sub/x.safetensors";
  write_index(dir / "model", map);
  const Model model = scan(dir / "model");
  EXPECT_EQ(count(model, Check::NotAFile), 1u);
  EXPECT_EQ(names_of(model), "abef");
}

TEST(Index, MayNameShardsInSubfolders) {
  const TempDir dir;
  write_shard(dir / "sub" / "1.safetensors", {"a"});
  write_shard(dir / "2.safetensors", {"b"});
  write_index(dir.path(), {{"a", "sub/1.safetensors"}, {"b", "2.safetensors"}}, "32");
  const Model model = scan(dir.path());
  EXPECT_EQ(listed(model), Lines{});
  EXPECT_EQ(model.tensors().size(), 2u);
}

// T19
TEST(Index, EveryDefectIsFoundInOneRun) {
  const TempDir dir;
  // a is where it belongs, b is missing, c lies in shard 1 as well, d in shard 1 only; shard 3 is
  // missing; a fourth file belongs to nothing; x is in no list; the size is wrong.
  write_shard(dir / kShard1, {"a", "c", "d"});
  write_shard(dir / kShard2, {"c", "x"});
  write_shard(dir / "extra.safetensors", {"y"});
  write_index(dir.path(), kRightMap, "1");

  const Model model = scan(dir.path());
  EXPECT_EQ(listed(model), (Lines{std::string("IX003 ") + kShard3,  // e and f
                                  std::string("IX005 ") + kShard1,  // b
                                  std::string("IX006 ") + kShard1,  // d
                                  std::string("IX007 ") + kShard1,  // c
                                  std::string("IX007 ") + kShard2,  // x
                                  "IX009 extra.safetensors"}));
  EXPECT_EQ(find(model, Check::MissingShard)->message,
            std::string("the index places 2 tensors in '") + kShard3 + "', which is missing");
  EXPECT_EQ(find(model, Check::MissingTensor)->tensor, "b");
  EXPECT_EQ(
      find(model, Check::MisplacedTensor)->message,
      std::string("1 tensor in this file that the index places elsewhere: 'd' (") + kShard2 + ")");
  EXPECT_EQ(names_of(model), "adc");

  const Result<Model> opened = Model::open(dir.path().string());
  ASSERT_FALSE(opened);
  EXPECT_NE(opened.error().message.find("and 2 more errors"), std::string::npos)
      << opened.error().message;
}

// T19
TEST(Index, DecidesWhichCopyOfATensorCounts) {
  const TempDir dir;
  write_shard(dir / "1.safetensors", {"a", "b"});
  write_shard(dir / "2.safetensors", {"a", "b"});
  write_index(dir.path(), {{"a", "2.safetensors"}, {"b", "1.safetensors"}}, "32");
  const Result<Model> model = Model::open(dir.path().string());
  ASSERT_TRUE(model) << model.error().message;
  ASSERT_EQ(model->tensors().size(), 2u);
  const auto file_of = [&](const char* name) {
    return model->files()[model->find(name)->file].name;
  };
  EXPECT_EQ(file_of("a"), "2.safetensors");
  EXPECT_EQ(file_of("b"), "1.safetensors");
  EXPECT_EQ(listed(*model), (Lines{"IX007 1.safetensors", "IX007 2.safetensors"}));
}

// T19
TEST(Index, OfAnotherVersionIsStale) {
  const TempDir dir;
  six_tensors().write(dir.path());
  std::vector<std::pair<std::string, std::string>> map;
  for (const char* name : {"u", "v", "w", "x", "y"}) map.emplace_back(name, kShard1);
  map.emplace_back("c", kShard2);
  map.emplace_back("e", kShard3);
  write_index(dir.path(), map, "48");
  const Model model = scan(dir.path());
  EXPECT_EQ(find(model, Check::MissingTensor)->message,
            "5 tensors missing that the index places in this file: 'u', 'v', 'w' and 2 more");
  EXPECT_EQ(count(model, Check::MissingTensor), 1u);
  EXPECT_EQ(count(model, Check::UnlistedTensor), 3u);
}

struct TotalSize {
  const char* text;
  bool wrong;
  Severity severity;
  const char* message;
};

// T19
TEST(Index, TotalSizeIsTheSumOfTheTensors) {
  const TempDir dir;
  six_tensors().write(dir.path());
  uint64_t headers = 0;
  for (const ModelFile& file : scan(dir.path()).files()) headers += file.header_bytes;
  const std::string with_headers = std::to_string(96 + headers);
  const TotalSize cases[] = {
      {"96", false, Severity::Note, ""},
      {"96.0", false, Severity::Note, ""},
      {"97", true, Severity::Warning, "total_size is 97, the tensors take 96 bytes"},
      {"-1", true, Severity::Warning, "total_size is -1, the tensors take 96 bytes"},
      {with_headers.c_str(), true, Severity::Note, "it counts whole files"},
  };
  for (const TotalSize& c : cases) {
    write_index(dir.path(), kRightMap, c.text);
    const Model model = scan(dir.path());
    const Finding* finding = find(model, Check::WrongTotalSize);
    ASSERT_EQ(finding != nullptr, c.wrong) << c.text;
    if (!c.wrong) continue;
    EXPECT_EQ(finding->severity(), c.severity) << c.text;
    EXPECT_NE(finding->message.find(c.message), std::string::npos) << finding->message;
  }
}

// T19
TEST(Index, OneByteMissingInOneOf118Shards) {
  const TempDir dir;
  ModelBuilder builder;
  for (int i = 0; i < 236; ++i) builder.tensor(fmt::format("t{:03}", i), DType::BF16, {8, 8});
  builder.metadata("format", "pt").shards(118).write(dir.path());
  const std::string shard = "model-00077-of-00118.safetensors";
  fs::resize_file(dir / shard, fs::file_size(dir / shard) - 1);

  const Model model = scan(dir.path());
  EXPECT_EQ(listed(model), Lines{"ST021 " + shard});
  EXPECT_EQ(model.tensors().size(), 236u);
  const Result<Model> opened = Model::open(dir.path().string());
  ASSERT_FALSE(opened);
  EXPECT_EQ(fs::path(opened.error().path).filename(), shard);
}

// R0: each missing shard is a finding, up to a number that no real model has.
TEST(Index, OfVeryManyMissingFilesIsToldInBoundedSpace) {
  const TempDir dir;
  std::vector<std::pair<std::string, std::string>> map;
  for (int i = 0; i < 20'000; ++i)
    map.emplace_back(fmt::format("t{}", i), fmt::format("part{}-00001-of-00002.safetensors", i));
  for (int i = 0; i < 20'000; ++i)
    map.emplace_back(fmt::format("u{}", i), fmt::format("../{}.safetensors", i));
  for (int i = 0; i < 20'000; ++i)
    map.emplace_back(fmt::format("v{}", i), fmt::format("folder{}/a.safetensors", i));
  write_index(dir.path(), map);
  const Model model = scan(dir.path());
  std::map<std::pair<Check, std::string>, size_t> last;
  std::map<Check, size_t> count;
  for (const Finding& finding : model.findings()) {
    ++count[finding.check];
    ++last[{finding.check, finding.message}];
  }
  EXPECT_EQ(count[Check::MissingShard], 1001u);
  EXPECT_EQ(count[Check::UnsafePath], 1001u);
  EXPECT_EQ(count[Check::IncompleteSet], 1000u) << "sets beyond that are not looked at";
  EXPECT_EQ((last[{Check::MissingShard, "the index names 39,000 more files of this kind"}]), 1u);
  EXPECT_EQ((last[{Check::UnsafePath, "the index names 19,000 more files of this kind"}]), 1u);
}

TEST(Index, DamagedShardsAreNotBlamedOnTheIndex) {
  const TempDir dir;
  six_tensors().write(dir.path());
  write_file(dir / kShard2, "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n");
  EXPECT_EQ(listed(scan(dir.path())), Lines{std::string("ST002 ") + kShard2});
}

TEST(Index, RepeatedEntriesAreReported) {
  const TempDir dir;
  six_tensors().write(dir.path());
  auto map = kRightMap;
  map.emplace_back("a", kShard1);
  write_index(dir.path(), map);
  const Model model = scan(dir.path());
  EXPECT_EQ(listed(model), Lines{std::string("IX017 ") + kIndex});
  EXPECT_EQ(find(model, Check::DuplicateIndexEntry)->message,
            "1 tensor has more than one entry: 'a'");
}

// unsloth-zoo#950: the index of one of several shards.
TEST(Index, OfAPartOfASetIsIncomplete) {
  const TempDir dir;
  six_tensors().write(dir.path());
  write_index(dir.path(), {{"a", kShard1}, {"b", kShard1}}, "32");
  const Model model = scan(dir.path());
  EXPECT_EQ(listed(model), (Lines{std::string("IX009 ") + kShard2, std::string("IX009 ") + kShard3,
                                  std::string("IX011 ") + kIndex}));
  EXPECT_EQ(find(model, Check::IncompleteSet)->message,
            "the index names 1 of the 3 files of 'model-*-of-00003.safetensors'");
}

TEST(Index, ThatCannotBeReadLeavesTheShards) {
  const TempDir dir;
  six_tensors().write(dir.path());
  write_file(dir / kIndex, "{\"weight_map\":");
  const Model model = scan(dir.path());
  EXPECT_EQ(listed(model), Lines{std::string("IX001 ") + kIndex});
  EXPECT_EQ(names_of(model), "abcdef");
}

}  // namespace
}  // namespace stkit::test
