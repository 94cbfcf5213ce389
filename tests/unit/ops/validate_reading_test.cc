// Digests and comparisons: the same for any sharding, number of threads and memory bound.
#include <gtest/gtest.h>

#include <algorithm>

#include "base/digest.h"
#include "base/python_json.h"
#include "model/model_digest.h"
#include "support/gguf_builder.h"
#include "unit/ops/validate_model.h"

namespace stkit::test {
namespace {

std::string sha256(std::string_view text) {
  Digest digest;
  digest.update(text);
  return digest.hex();
}

Model open(const std::filesystem::path& path) {
  auto model = Model::open(path.string());
  if (!model) throw std::runtime_error(model.error().message);
  return std::move(*model);
}

// Made from the definition in model_digest.h, by hand.
TEST(ModelDigest, IsAsDefined) {
  const TempDir folder;
  ModelBuilder()
      .tensor("b", DType::U8, {2, 2}, "wxyz")
      .tensor("a b", DType::U8, {}, "v")
      .write(folder.path());
  const std::string text = "stkit-model-digest 1\n3:a b U8 [] " + sha256("v") + "\n1:b U8 [2,2] " +
                           sha256("wxyz") + "\n";
  EXPECT_EQ(model_digest(open(folder.path()), {}).value(), sha256(text));
}

TEST(ModelDigest, DependsOnTensorsAlone) {
  const TempDir one, many;
  TinyModel model = llama();
  model.write(one.path());
  model.shards = 7;
  model.metadata = {{"format", "pt"}, {"note", "split"}};
  model.write(many.path());
  const std::string digest = model_digest(open(one.path()), {}).value();
  for (const unsigned threads : {1u, 4u})
    for (const uint64_t memory : {uint64_t{1} << 16, uint64_t{1} << 30}) {
      const RunOptions run{.threads = threads, .max_memory_bytes = memory};
      EXPECT_EQ(model_digest(open(many.path()), run).value(), digest);
      const ValidateReport report =
          run_validate(many.path(), {.against = one.path().string()}, run);
      EXPECT_TRUE(report.ok(true)) << listing(report);
      EXPECT_EQ(report.model_digest, digest);
    }
}

TEST(Validate, GapsOfAGgufFileAreZeros) {
  const TempDir folder;
  GgufBuilder gguf;
  gguf.text("general.architecture", "llama").tensor("w", 0, {3}, 12).tensor("v", 0, {3}, 12);
  for (const char byte : {'\0', 'x'}) {
    write_file(folder / "m.gguf", gguf.padding(byte).bytes());
    const auto ids = [&](bool deep) {
      size_t found = 0;
      for (const Finding& finding : run_validate(folder / "m.gguf", {.deep = deep}).findings)
        found += finding.check == Check::GgufPadding;
      return found;
    };
    EXPECT_EQ(ids(false), 0u) << "headers alone";
    EXPECT_EQ(ids(true) > 0, byte != '\0');
  }
}

// Larger than a buffer, so that blocks, offsets and partial statistics are put together.
TEST(Validate, LargeTensorsAreReadInBlocks) {
  const TempDir one, other;
  std::string data = ModelBuilder::data_of("w", DType::F32, {70'000});
  ModelBuilder().tensor("w", DType::F32, {70'000}, data).write(one.path());
  for (const size_t at : {size_t{131'073}, size_t{279'999}})
    data[at] = static_cast<char>(data[at] ^ 1);
  ModelBuilder().tensor("w", DType::F32, {70'000}, data).write(other.path());
  const RunOptions run{.threads = 2, .max_memory_bytes = 1 << 18};
  const ValidateReport report =
      run_validate(one.path(), {.deep = true, .against = other.path().string()}, run);
  const Finding* finding = find(report, Check::DifferentBytes);
  ASSERT_NE(finding, nullptr) << listing(report);
  EXPECT_EQ(finding->message, "2 of the 280000 bytes of 'w' differ, the first at 131073");
}

TEST(Checksums, ListIsReadBack) {
  const TempDir folder;
  TinyModel model = llama();
  model.shards = 2;
  model.write(folder.path());
  const std::string list = checksum_list(open(folder.path()), {}).value();
  EXPECT_NE(list.find(sha256(read_file(folder / "config.json")) + "  config.json\n"), list.npos);
  EXPECT_EQ(std::ranges::count(list, '\n'), 7);
  EXPECT_EQ(checksum_list(open(folder.path()), {.threads = 1}).value(), list);

  write_file(folder / "SHA256SUMS", list);
  const ValidateOptions options{.checksums = (folder / "SHA256SUMS").string()};
  EXPECT_TRUE(run_validate(folder.path(), options).ok(true));
  write_file(folder / "generation_config.json", "{}");
  const ValidateReport report = run_validate(folder.path(), options);
  const Finding* finding = find(report, Check::ChecksumMismatch);
  ASSERT_NE(finding, nullptr) << listing(report);
  EXPECT_TRUE(finding->path.ends_with("generation_config.json"));
}

TEST(Checksums, AcceptsWhatSha256sumWrites) {
  const TempDir folder;
  llama().write(folder.path());
  write_file(folder / "a\\b\nc", "odd");
  std::string upper = sha256(read_file(folder / "config.json"));
  std::ranges::transform(upper, upper.begin(), [](char c) {
    return c >= 'a' && c <= 'f' ? static_cast<char>(c - 'a' + 'A') : c;
  });
  const std::string list = upper + " *./config.json\r\n" +
                           sha256(read_file(folder / "model.safetensors")) + "  model.safetensors";
  write_file(folder / "SUMS", list);
  const ValidateReport report =
      run_validate(folder.path(), {.checksums = (folder / "SUMS").string()});
  EXPECT_TRUE(report.ok(true)) << listing(report);
}

TEST(Validate, ListThatIsNotThereIsAnError) {
  const TempDir folder;
  llama().write(folder.path());
  const auto report = validate(folder.path().string(), {.checksums = (folder / "no").string()}, {});
  ASSERT_FALSE(report.has_value());
  EXPECT_EQ(report.error().code, ErrorCode::NotFound);
  const auto nothing = validate((folder / "nothing").string(), {}, {});
  ASSERT_FALSE(nothing.has_value());
  EXPECT_EQ(nothing.error().code, ErrorCode::NotFound);
}

// T19: of many shards one is short by a byte, another is gone: both are reported, and --deep reads
// what is there.
TEST(Validate, DamagedBundleIsReadAsFarAsItGoes) {
  const TempDir folder, whole;
  TinyModel model = llama();
  model.shards = 6;
  model.write(whole.path());
  model.write(folder.path());
  const std::string third = "model-00003-of-00006.safetensors";
  const std::string bytes = read_file(folder / third);
  write_file(folder / third, std::string_view(bytes).substr(0, bytes.size() - 1));
  std::filesystem::remove(folder / "model-00005-of-00006.safetensors");
  const ValidateReport report =
      run_validate(folder.path(), {.deep = true, .against = whole.path().string()});
  const Finding* truncated = find(report, Check::Truncated);
  ASSERT_NE(truncated, nullptr) << listing(report);
  EXPECT_TRUE(truncated->path.ends_with(third));
  EXPECT_NE(find(report, Check::MissingShard), nullptr) << listing(report);
  EXPECT_NE(find(report, Check::OnlyThere), nullptr) << listing(report);
  EXPECT_FALSE(report.model_digest.has_value());
}

TEST(Validate, CancelsBetweenBlocks) {
  const TempDir folder;
  llama().write(folder.path());
  CancelToken cancel;
  cancel.cancel();
  const auto report = validate(folder.path().string(), {.deep = true}, {.cancel = &cancel});
  ASSERT_FALSE(report.has_value());
  EXPECT_EQ(report.error().code, ErrorCode::Interrupted);
}

TEST(PythonJson, ReplacesNumbersThatJsonLacks) {
  EXPECT_EQ(strict_json(R"({"NaN": [NaN, -Infinity, 1], "a\"Infinity": Infinity})"),
            R"({"NaN": [null, null, 1], "a\"Infinity": null})");
}

}  // namespace
}  // namespace stkit::test
