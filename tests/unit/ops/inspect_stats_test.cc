// Statistics over the weights of a model: what reads them, and how it is spread over threads.
#include <gtest/gtest.h>

#include <atomic>
#include <bit>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <map>
#include <mutex>
#include <numeric>
#include <vector>

#include "kernels/reference.h"
#include "kernels/stats.h"
#include "unit/ops/inspect_support.h"

namespace stkit {
namespace {

using test::bytes_of;
using test::inspected;
using test::ModelBuilder;
using test::open_model;
using test::TempDir;

bool same_bits(const TensorStats& a, const TensorStats& b) {
  const auto equal = [](double x, double y) {
    return std::bit_cast<uint64_t>(x) == std::bit_cast<uint64_t>(y);
  };
  return equal(a.min, b.min) && equal(a.max, b.max) && equal(a.mean, b.mean) &&
         equal(a.std, b.std) && a.values == b.values && a.nan == b.nan && a.inf == b.inf &&
         a.zero == b.zero;
}

// Files that count their reads and cannot be mapped, as those of a server.
class ReadOnlyFile final : public RandomAccessFile {
 public:
  ReadOnlyFile(std::unique_ptr<RandomAccessFile> file, std::atomic<size_t>& reads)
      : file_(std::move(file)), reads_(reads) {}
  const std::string& label() const override { return file_->label(); }
  uint64_t size_bytes() const override { return file_->size_bytes(); }
  std::string identity() const override { return file_->identity(); }
  Result<void> read_at(uint64_t offset, std::span<std::byte> out) const override {
    ++reads_;
    return file_->read_at(offset, out);
  }

 private:
  const std::unique_ptr<RandomAccessFile> file_;
  std::atomic<size_t>& reads_;
};

class ReadOnlyFolder final : public Folder {
 public:
  explicit ReadOnlyFolder(const std::filesystem::path& path)
      : folder_(std::move(*open_local_folder(path))) {}
  const std::string& label() const override { return folder_->label(); }
  Result<std::vector<FolderEntry>> list(std::string_view subfolder) const override {
    return folder_->list(subfolder);
  }
  Result<std::unique_ptr<RandomAccessFile>> open(std::string_view name) const override {
    STKIT_ASSIGN(auto file, folder_->open(name));
    return std::make_unique<ReadOnlyFile>(std::move(file), reads_);
  }
  std::string path_of(std::string_view name) const override { return folder_->path_of(name); }
  size_t reads() const { return reads_; }

 private:
  const std::unique_ptr<Folder> folder_;
  mutable std::atomic<size_t> reads_{0};
};

// One tensor of each dtype that a safetensors file holds, each a piece and a bit.
ModelBuilder every_dtype() {
  ModelBuilder builder;
  for (const DTypeInfo& row : dtypes()) {
    if (!row.in_safetensors()) continue;
    const uint64_t blocks = (uint64_t{2} << 20) / row.block_bytes + 1001;
    builder.tensor(std::string(row.name), row.dtype, {blocks * row.block_elements});
  }
  return builder;
}

std::vector<TensorStats> all_stats(const Model& model, const RunOptions& run) {
  InspectReport report;
  const auto done = add_stats(model, "*", run, report);
  EXPECT_TRUE(done) << done.error().message;
  std::vector<TensorStats> stats;
  for (const auto& one : report.stats) stats.push_back(one.value());
  return stats;
}

TEST(InspectStats, MatchTheReferenceForEveryDType) {
  const TempDir dir;
  every_dtype().write(dir.path());
  const Model model = open_model(dir.path());
  const auto stats = all_stats(model, {.threads = 2});
  ASSERT_EQ(stats.size(), 22u);
  for (size_t i = 0; i < stats.size(); ++i) {
    const TensorInfo& tensor = model.tensors()[i];
    const std::string data = ModelBuilder::data_of(tensor.name, tensor.dtype,
                                                   {tensor.shape.begin(), tensor.shape.end()});
    const auto want = kernels::reference::stats(
        kernels::reference::values(tensor.dtype, std::as_bytes(std::span(data))));
    SCOPED_TRACE(tensor.name);
    EXPECT_EQ(stats[i].values, want.finite + want.nan + want.inf);
    EXPECT_EQ(stats[i].nan, want.nan);
    EXPECT_EQ(stats[i].inf, want.inf);
    EXPECT_EQ(stats[i].zero, want.zero);
    EXPECT_EQ(stats[i].min, static_cast<double>(want.min));
    EXPECT_EQ(stats[i].max, static_cast<double>(want.max));
    EXPECT_NEAR(stats[i].mean, static_cast<double>(want.mean),
                static_cast<double>(want.standard_deviation) * 1e-7);
    EXPECT_NEAR(stats[i].std, static_cast<double>(want.standard_deviation),
                static_cast<double>(want.standard_deviation) * 1e-7);
  }
}

// T36, T63
TEST(InspectStats, SameBitsForAnyThreadsMemoryAndWayOfReading) {
  const TempDir dir;
  every_dtype().shards(3).write(dir.path());
  const auto first = all_stats(open_model(dir.path()), {.threads = 1});
  const auto expect_same = [&](const Model& model, const RunOptions& run) {
    const auto stats = all_stats(model, run);
    ASSERT_EQ(stats.size(), first.size());
    for (size_t i = 0; i < stats.size(); ++i)
      EXPECT_TRUE(same_bits(stats[i], first[i])) << model.tensors()[i].name;
  };
  for (const unsigned threads : {2u, 3u, 16u})
    expect_same(open_model(dir.path()), {.threads = threads});
  expect_same(open_model(dir.path()), {.threads = 3, .max_memory_bytes = 1});
  const auto folder = std::make_shared<ReadOnlyFolder>(dir.path());
  auto unmapped = Model::open(folder);
  ASSERT_TRUE(unmapped) << unmapped.error().message;
  for (const unsigned threads : {1u, 16u}) expect_same(*unmapped, {.threads = threads});
}

TEST(InspectStats, NeighbouringTensorsShareReads) {
  const TempDir dir;
  ModelBuilder builder;
  for (int i = 0; i < 2000; ++i)
    builder.tensor("t" + std::to_string(i), DType::F32, {static_cast<uint64_t>(i % 50)});
  builder.write(dir.path());
  const auto folder = std::make_shared<ReadOnlyFolder>(dir.path());
  auto model = Model::open(folder);
  ASSERT_TRUE(model) << model.error().message;
  const size_t before = folder->reads();
  InspectReport report;
  ASSERT_TRUE(add_stats(*model, "*", {.threads = 2}, report));
  EXPECT_LE(folder->reads() - before, 2u) << "196,000 bytes fit one buffer";
  for (size_t i = 0; i < model->tensors().size(); ++i) {
    ASSERT_TRUE(report.stats[i]);
    EXPECT_EQ(report.stats[i]->values, model->tensors()[i].element_count);
  }
}

TEST(InspectStats, OnlyTensorsThatMatch) {
  const TempDir dir;
  ModelBuilder()
      .tensor("a.weight", DType::F32, {2}, bytes_of<float>({1, 3}))
      .tensor("b.bias", DType::F32, {1}, bytes_of<float>({9}))
      .tensor("c.weight", DType::F32, {0})
      .write(dir.path());
  const Model model = open_model(dir.path());
  InspectReport report = inspected(model);
  ASSERT_TRUE(add_stats(model, "*.weight", {}, report));
  ASSERT_EQ(report.stats.size(), 3u);
  std::map<std::string_view, std::optional<TensorStats>> by_name;
  for (size_t i = 0; i < 3; ++i) by_name[model.tensors()[i].name] = report.stats[i];
  ASSERT_TRUE(by_name["a.weight"]);
  EXPECT_EQ(by_name["a.weight"]->mean, 2);
  EXPECT_EQ(by_name["a.weight"]->std, 1);
  EXPECT_FALSE(by_name["b.bias"]);
  ASSERT_TRUE(by_name["c.weight"]) << "an empty tensor has statistics, of nothing";
  EXPECT_EQ(by_name["c.weight"]->values, 0u);
  EXPECT_TRUE(std::isnan(by_name["c.weight"]->min));

  const auto one = tensor_stats(model, *model.find("b.bias"), {});
  ASSERT_TRUE(one);
  EXPECT_EQ(one->max, 9);
}

// T45
TEST(InspectStats, FileThatShrinksIsAnErrorAndNoCrash) {
  for (const bool mapped : {true, false}) {
    const TempDir dir;
    ModelBuilder().tensor("w", DType::F32, {3 << 20}).write(dir.path());
    auto model = mapped ? Model::open(dir.path().string())
                        : Model::open(std::make_shared<ReadOnlyFolder>(dir.path()));
    ASSERT_TRUE(model) << model.error().message;
    const auto file = model->open_file(model->tensors()[0].file);
    ASSERT_TRUE(file) << file.error().message;
    std::filesystem::resize_file(dir / "model.safetensors", 1 << 20);
    InspectReport report;
    const auto result = add_stats(*model, "*", {.threads = 2}, report);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, ErrorCode::InputChanged) << result.error().message;
    EXPECT_TRUE(report.stats.empty());
  }
}

class RecordingProgress final : public Progress {
 public:
  void begin(std::string_view, std::span<const ProgressItem> items) override {
    const std::lock_guard lock(mutex);
    sizes.clear();
    for (const ProgressItem& item : items) sizes[item.name] = item.size_bytes;
    done.assign(items.size(), 0);
    states.assign(items.size(), ItemState::Queued);
  }
  void advance(uint32_t item, uint64_t bytes) override {
    const std::lock_guard lock(mutex);
    done.at(item) += bytes;
  }
  void set_state(uint32_t item, ItemState state) override {
    const std::lock_guard lock(mutex);
    states.at(item) = state;
  }
  void restart(uint32_t, uint64_t) override { FAIL(); }
  void end(bool ok) override { ends.push_back(ok); }

  std::mutex mutex;
  std::map<std::string, uint64_t> sizes;
  std::vector<uint64_t> done;
  std::vector<ItemState> states;
  std::vector<bool> ends;
};

TEST(InspectStats, ProgressCountsTheBytesOfEachFile) {
  const TempDir dir;
  every_dtype().shards(2).write(dir.path());
  const Model model = open_model(dir.path());
  uint64_t weights = 0;
  for (const TensorInfo& tensor : model.tensors()) weights += tensor.size_bytes;
  RecordingProgress progress;
  all_stats(model, {.threads = 3, .progress = &progress});
  EXPECT_EQ(progress.sizes.size(), 2u);
  const uint64_t announced =
      std::accumulate(progress.sizes.begin(), progress.sizes.end(), uint64_t{0},
                      [](uint64_t sum, const auto& item) { return sum + item.second; });
  EXPECT_EQ(announced, weights);
  EXPECT_EQ(std::accumulate(progress.done.begin(), progress.done.end(), uint64_t{0}), weights);
  EXPECT_EQ(progress.states, std::vector(2, ItemState::Done));
  EXPECT_EQ(progress.ends, std::vector<bool>{true});
}

TEST(InspectStats, StopsWhenCancelled) {
  const TempDir dir;
  every_dtype().write(dir.path());
  const Model model = open_model(dir.path());
  CancelToken cancel;
  cancel.cancel();
  RecordingProgress progress;
  InspectReport report;
  const auto result = add_stats(model, "*", {.progress = &progress, .cancel = &cancel}, report);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::Interrupted);
  EXPECT_EQ(progress.ends, std::vector<bool>{false});
}

TEST(InspectHistogram, CountsEveryFiniteValueOnce) {
  const TempDir dir;
  every_dtype().write(dir.path());
  const Model model = open_model(dir.path());
  for (const TensorInfo& tensor : model.tensors()) {
    SCOPED_TRACE(tensor.name);
    const auto one = tensor_histogram(model, tensor, 40, {.threads = 1});
    const auto many = tensor_histogram(model, tensor, 40, {.threads = 5});
    ASSERT_TRUE(one && many);
    EXPECT_EQ(one->buckets, many->buckets);
    EXPECT_TRUE(same_bits(one->stats, many->stats));
    EXPECT_EQ(one->low, one->stats.min);
    EXPECT_EQ(one->high, one->stats.max);
    const uint64_t counted = std::accumulate(one->buckets.begin(), one->buckets.end(), uint64_t{0});
    EXPECT_EQ(counted, one->stats.values - one->stats.nan - one->stats.inf);
  }
}

TEST(InspectHistogram, OfNothingFinite) {
  const TempDir dir;
  const float nan = std::numeric_limits<float>::quiet_NaN();
  ModelBuilder().tensor("w", DType::F32, {2}, bytes_of<float>({nan, nan})).write(dir.path());
  const Model model = open_model(dir.path());
  const auto histogram = tensor_histogram(model, *model.find("w"), 3, {});
  ASSERT_TRUE(histogram);
  EXPECT_EQ(histogram->buckets, (std::vector<uint64_t>{0, 0, 0}));
  EXPECT_EQ(histogram->stats.nan, 2u);
}

TEST(InspectHistogram, RefusesABucketCountThatMakesNoSense) {
  const TempDir dir;
  ModelBuilder().tensor("w", DType::F32, {2}).write(dir.path());
  const Model model = open_model(dir.path());
  for (const size_t buckets : {size_t{0}, size_t{1} << 40}) {
    const auto histogram = tensor_histogram(model, *model.find("w"), buckets, {});
    ASSERT_FALSE(histogram);
    EXPECT_EQ(histogram.error().code, ErrorCode::Usage);
  }
}

}  // namespace
}  // namespace stkit
