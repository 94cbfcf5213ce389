#include <gtest/gtest.h>

#include <algorithm>
#include <memory>

#include "io/atomic_output.h"
#include "quantize_support.h"

namespace stkit::test {
namespace {

std::vector<std::filesystem::path> files_in(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder))
    if (entry.is_regular_file()) files.push_back(entry.path());
  std::ranges::sort(files);
  return files;
}

// T31: freed memory of this process, full of a pattern, is what buffers are made of.
TEST(QuantizeFault, NothingOfTheProcessGetsIntoAnOutput) {
  const TempDir dir;
  mixed_model().write(dir / "model");
  for (const char* output : {"out.gguf", "out.safetensors"}) {
    const std::string canary = "CANARY-0123456789";
    {
      std::vector<std::string> heap;
      for (size_t size = 64; size <= size_t{4} << 20; size *= 2)
        for (int i = 0; i < 4; ++i) {
          std::string& block = heap.emplace_back();
          while (block.size() < size) block += canary;
        }
    }
    for (const char* isq : {"q4k", "q8_0"}) {
      quantized(dir / "model", dir / output, {.isq = isq, .arch = "none", .overwrite = true},
                {.threads = 2});
      EXPECT_EQ(read_file(dir / output).find(canary), std::string::npos) << output << ' ' << isq;
    }
  }
}

// T44
TEST(QuantizeFault, ATargetThatSomebodyWritesIsLeftToThem) {
  const TempDir dir;
  mixed_model().write(dir / "model");
  const auto held = AtomicOutput::create(SystemCalls::real(), dir / "out.gguf", 16, {});
  ASSERT_TRUE(held.has_value());
  const Error error = quantize_error(dir / "model", dir / "out.gguf", {.arch = "none"});
  EXPECT_EQ(info(error.code).exit_code, 7) << error.message;
  EXPECT_FALSE(std::filesystem::exists(dir / "out.gguf"));
}

// T45
TEST(QuantizeFault, AModelThatChangesIsNoModel) {
  const struct {
    const char* name;
    void (*change)(const std::filesystem::path& weights);
  } cases[] = {
      {"shrinks",
       [](const auto& weights) {
         std::filesystem::resize_file(weights, std::filesystem::file_size(weights) / 2);
       }},
      {"is touched",
       [](const auto& weights) {
         std::filesystem::last_write_time(
             weights, std::filesystem::last_write_time(weights) + std::chrono::seconds(3));
       }},
  };
  for (const auto& row : cases) {
    const TempDir dir;
    mixed_model().write(dir / "model");
    const QuantizePlan plan = planned(dir / "model", dir / "out.gguf", {.arch = "none"});
    const auto before = files_in(dir / "model");
    for (const auto& file : before)
      if (file.extension() == ".safetensors") row.change(file);
    const auto report = quantize(plan, {.threads = 2});
    ASSERT_FALSE(report.has_value()) << row.name;
    EXPECT_EQ(info(report.error().code).exit_code, 3) << row.name << ": " << report.error().message;
    EXPECT_FALSE(std::filesystem::exists(dir / "out.gguf")) << row.name;
    EXPECT_EQ(files_in(dir.path()), before) << row.name << ": something was left behind";
  }
}

// T40: in a folder that is none, and one that takes no files.
TEST(QuantizeFault, AFolderThatTakesNoFilesIsSaidSo) {
  const TempDir dir;
  mixed_model().write(dir / "model");
  write_file(dir / "file", "");
  for (const auto& output : {dir / "file" / "out.gguf", dir / "nowhere" / "out.gguf"}) {
    const Error error = quantize_error(dir / "model", output, {.arch = "none"});
    EXPECT_EQ(info(error.code).exit_code, 7) << error.message;
  }
}

}  // namespace
}  // namespace stkit::test
