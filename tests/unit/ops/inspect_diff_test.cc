#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "inspect_support.h"

namespace stkit::test {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

DiffReport diff_of(const ModelBuilder& left, const ModelBuilder& right, bool data,
                   unsigned threads = 2) {
  TempDir left_dir, right_dir;
  left.write(left_dir.path());
  right.write(right_dir.path());
  auto report =
      diff(open_model(left_dir.path()), open_model(right_dir.path()), data, {.threads = threads});
  if (!report) throw std::runtime_error(report.error().message);
  return std::move(*report);
}

ModelBuilder floats(const std::vector<float>& values) {
  return ModelBuilder().tensor("w", DType::F32, {values.size()}, bytes_of(values));
}

std::vector<std::string> lines(const DiffReport& report) {
  std::vector<std::string> out;
  for (const TensorDiff& row : report.differences)
    out.push_back(std::string(name(row.kind)) + " " + row.tensor + ": " + row.left + " -> " +
                  row.right);
  return out;
}

TEST(InspectDiff, SameTensorsInOtherShardsAreTheSame) {
  const DiffReport report = diff_of(small_model(), small_model().shards(3), true);
  EXPECT_TRUE(report.same());
  EXPECT_EQ(report.compared, 7u);
  EXPECT_EQ(report.equal, 7u);
  EXPECT_TRUE(report.data_compared);
  EXPECT_TRUE(report.metadata.empty());
}

TEST(InspectDiff, StructureInNaturalOrder) {
  ModelBuilder left, right;
  left.tensor("layers.10.w", DType::F32, {2}).tensor("layers.2.w", DType::F32, {2, 3});
  left.tensor("both", DType::U8, {1}).tensor("layers.3.w", DType::F32, {4});
  right.tensor("layers.2.w", DType::BF16, {3, 2}).tensor("both", DType::U8, {1});
  right.tensor("layers.9.w", DType::I8, {}).tensor("layers.3.w", DType::F16, {4});
  const DiffReport report = diff_of(left, right, false);
  EXPECT_EQ(lines(report), (std::vector<std::string>{
                               "dtype layers.2.w: F32 -> BF16",
                               "shape layers.2.w: [2,3] -> [3,2]",
                               "dtype layers.3.w: F32 -> F16",
                               "only_right layers.9.w:  -> I8 []",
                               "only_left layers.10.w: F32 [2] -> ",
                           }));
  EXPECT_EQ(report.compared, 3u);
  EXPECT_EQ(report.equal, 1u);
  EXPECT_FALSE(report.same());
}

TEST(InspectDiff, MetadataIsListedButDoesNotCount) {
  ModelBuilder left, right;
  left.tensor("w", DType::U8, {1}).metadata("format", "pt").metadata("gone", "1");
  right.tensor("w", DType::U8, {1}).metadata("format", "mlx").metadata("new", "2");
  const DiffReport report = diff_of(left, right, true);
  EXPECT_TRUE(report.same());
  EXPECT_EQ(report.metadata, (std::vector<std::string>{"format: pt -> mlx", "gone: 1 -> (absent)",
                                                       "new: (absent) -> 2"}));
}

TEST(InspectDiff, ValuesThatDiffer) {
  const struct {
    const char* name;
    std::vector<float> left, right;
    uint64_t differing;
    double largest, mean;
  } cases[] = {
      {"one of four", {1, 2, 3, 4}, {1, 2, 3.5, 4}, 1, 0.5, 0.125},
      {"signs of zero", {0, 1}, {-0.0F, 1}, 1, 0, 0},
      {"a number and a NaN", {1, 2}, {1, kNan}, 1, 0, 0},
      {"an infinity beside a number", {1, kInf, 3}, {2, 5, 3}, 2, 1, 0.5},
  };
  for (const auto& row : cases) {
    const DiffReport report = diff_of(floats(row.left), floats(row.right), true);
    ASSERT_EQ(report.differences.size(), 1u) << row.name;
    const TensorDiff& found = report.differences.front();
    EXPECT_EQ(name(found.kind), "data") << row.name;
    EXPECT_EQ(found.differing_values, row.differing) << row.name;
    EXPECT_EQ(found.max_abs_difference, row.largest) << row.name;
    EXPECT_EQ(found.mean_abs_difference, row.mean) << row.name;
    EXPECT_EQ(report.equal, 0u) << row.name;
  }
}

TEST(InspectDiff, EqualBytesAreEqualWhateverTheyMean) {
  EXPECT_TRUE(diff_of(floats({kNan, kInf}), floats({kNan, kInf}), true).same());
}

TEST(InspectDiff, NothingFiniteHasNoDistance) {
  const DiffReport report = diff_of(floats({1}), floats({kNan}), true);
  ASSERT_EQ(report.differences.size(), 1u);
  EXPECT_TRUE(std::isnan(report.differences[0].max_abs_difference));
  EXPECT_TRUE(std::isnan(report.differences[0].mean_abs_difference));
}

TEST(InspectDiff, WithoutDataValuesAreNotRead) {
  EXPECT_TRUE(diff_of(floats({1}), floats({2}), false).same());
}

TEST(InspectDiff, ComplexValuesCountAsTwo) {
  const auto complex = [](const std::vector<float>& parts) {
    return ModelBuilder().tensor("w", DType::C64, {parts.size() / 2}, bytes_of(parts));
  };
  const DiffReport report = diff_of(complex({1, 2, 3, 4}), complex({1, 4, 3, 4}), true);
  ASSERT_EQ(report.differences.size(), 1u);
  EXPECT_EQ(report.differences[0].differing_values, 1u);
  EXPECT_EQ(report.differences[0].mean_abs_difference, 0.5);
}

TEST(InspectDiff, SubByteValues) {
  // Two F4 values a byte, low nibble first: 0.5 and 1 against 0.5 and 6.
  const auto nibbles = [](std::string bytes) {
    return ModelBuilder().tensor("w", DType::F4, {4}, std::move(bytes));
  };
  const DiffReport report = diff_of(nibbles("\x21\x21"), nibbles("\x71\x21"), true);
  ASSERT_EQ(report.differences.size(), 1u);
  EXPECT_EQ(report.differences[0].differing_values, 1u);
  EXPECT_EQ(report.differences[0].max_abs_difference, 5.0);
}

TEST(InspectDiff, LargeIntegersDifferThoughTheirDoublesDoNot) {
  const auto integers = [](uint64_t value) {
    return ModelBuilder().tensor("w", DType::U64, {1}, bytes_of(std::vector<uint64_t>{value}));
  };
  const DiffReport report = diff_of(integers(~uint64_t{0}), integers(~uint64_t{0} - 1), true);
  ASSERT_EQ(report.differences.size(), 1u);
  EXPECT_EQ(report.differences[0].differing_values, 1u);
}

TEST(InspectDiff, AcrossDTypesNumbersAreCompared) {
  const auto halves = [](const std::vector<uint16_t>& bits) {
    return ModelBuilder().tensor("w", DType::BF16, {bits.size()}, bytes_of(bits));
  };
  // 0x3F80 is 1, 0x4000 is 2, 0x7FC0 a NaN.
  const DiffReport equal = diff_of(floats({1, 2, kNan}), halves({0x3F80, 0x4000, 0x7FC0}), true);
  EXPECT_EQ(lines(equal), std::vector<std::string>{"dtype w: F32 -> BF16"});

  const DiffReport rounded = diff_of(floats({1, 2.25F}), halves({0x3F80, 0x4000}), true);
  ASSERT_EQ(rounded.differences.size(), 2u);
  EXPECT_EQ(name(rounded.differences[1].kind), "data");
  EXPECT_EQ(rounded.differences[1].max_abs_difference, 0.25);
  EXPECT_EQ(rounded.equal, 0u);
}

// T36
TEST(InspectDiff, AnyNumberOfThreadsGivesTheSameReport) {
  constexpr uint64_t kElements = 3'000'000;
  ModelBuilder left, right;
  left.tensor("w", DType::BF16, {kElements});
  std::string data = ModelBuilder::data_of("w", DType::BF16, {kElements});
  for (size_t i = 0; i < data.size(); i += 1001) data[i] = static_cast<char>(data[i] ^ 1);
  right.tensor("w", DType::BF16, {kElements}, data);
  const DiffReport one = diff_of(left, right, true, 1), many = diff_of(left, right, true, 7);
  ASSERT_EQ(one.differences.size(), 1u);
  ASSERT_EQ(many.differences.size(), 1u);
  EXPECT_GT(one.differences[0].differing_values, 5000u);
  EXPECT_EQ(one.differences[0].differing_values, many.differences[0].differing_values);
  EXPECT_EQ(one.differences[0].max_abs_difference, many.differences[0].max_abs_difference);
  EXPECT_EQ(one.differences[0].mean_abs_difference, many.differences[0].mean_abs_difference);
}

TEST(InspectDiff, StopsWhenCancelled) {
  TempDir dir;
  small_model().write(dir.path());
  const Model model = open_model(dir.path());
  CancelToken token;
  token.cancel();
  const auto report = diff(model, model, true, {.cancel = &token});
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, ErrorCode::Interrupted);
}

TEST(InspectDiff, JsonSaysTheSame) {
  std::string out;
  JsonWriter json(out);
  write_json(json, diff_of(floats({1, 2}), floats({1, 3}), true));
  const JsonValue root = parsed(out);
  EXPECT_EQ(keys(root), (std::vector<std::string>{"same", "compared", "equal", "data_compared",
                                                  "differences", "metadata"}));
  EXPECT_EQ(root.find("same")->as_bool(), false);
  const JsonValue& row = root.find("differences")->elements().front();
  EXPECT_EQ(row.find("kind")->as_string(), "data");
  EXPECT_EQ(row.find("max_abs_difference")->as_number(), 1.0);
  EXPECT_TRUE(row.find("left")->is_null());
}

}  // namespace
}  // namespace stkit::test
