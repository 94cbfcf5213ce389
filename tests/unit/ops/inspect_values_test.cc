#include <gtest/gtest.h>

#include <cstring>

#include "inspect_support.h"
#include "ops/inspect/npy.h"
#include "support/gguf_builder.h"

namespace stkit::test {
namespace {

// T16
TEST(FirstValues, OfEveryKindOfType) {
  TempDir dir;
  ModelBuilder()
      .tensor("f32", DType::F32, {3}, bytes_of(std::vector<float>{1, -2, 0.5F}))
      .tensor("i64", DType::I64, {2}, bytes_of(std::vector<int64_t>{-3, 1LL << 40}))
      .tensor("bf16", DType::BF16, {2}, bytes_of(std::vector<uint16_t>{0x3F80, 0xC000}))
      .tensor("c64", DType::C64, {2}, bytes_of(std::vector<float>{1, 2, 3, 4}))
      .tensor("bool", DType::BOOL, {2}, std::string("\x01\x00", 2))
      .tensor("f4", DType::F4, {4}, "\x21\x73")
      .tensor("empty", DType::F32, {0})
      .write(dir.path());
  const Model model = open_model(dir.path());
  const auto values = [&](std::string_view tensor, uint64_t count) {
    const auto result = first_values(model, *model.find(tensor), count);
    return result ? *result : std::vector<double>{-999};
  };
  using Values = std::vector<double>;
  EXPECT_EQ(values("f32", 2), (Values{1, -2}));
  EXPECT_EQ(values("f32", ~uint64_t{0}), (Values{1, -2, 0.5}));
  EXPECT_EQ(values("i64", 9), (Values{-3, 1099511627776.0}));
  EXPECT_EQ(values("bf16", 2), (Values{1, -2}));
  EXPECT_EQ(values("c64", 1), (Values{1, 2})) << "real, imaginary";
  EXPECT_EQ(values("bool", 2), (Values{1, 0}));
  EXPECT_EQ(values("f4", 3), (Values{0.5, 1, 1.5})) << "not whole blocks";
  EXPECT_EQ(values("empty", 5), Values{});
  EXPECT_EQ(values("f32", 0), Values{});
}

TEST(FirstValues, OfBlocksAreDecoded) {
  TempDir dir;
  std::string block("\x00\x40", 2);  // Q8_0: a scale of 2, and 32 codes
  for (int i = 0; i < 32; ++i) block += static_cast<char>(i - 3);
  write_file(dir / "m.gguf", GgufBuilder()
                                 .tensor("q8", 8, {32, 2}, block + block)
                                 .tensor("iq2", 17, {256}, std::string(74, '\0'))
                                 .bytes());
  const Model model = open_model(dir / "m.gguf");
  EXPECT_EQ(first_values(model, *model.find("q8"), 4).value(),
            (std::vector<double>{-6, -4, -2, 0}));
  EXPECT_EQ(first_values(model, *model.find("q8"), 34).value().back(), -4);
  const auto unknown = first_values(model, *model.find("iq2"), 1);
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, ErrorCode::Unsupported);
}

TEST(Npy, HeaderIsThatOfVersionOne) {
  const uint64_t matrix[] = {2, 3};
  const std::string header = npy_header(DType::BF16, matrix);
  ASSERT_EQ(header.size(), 128u);
  const std::string dict = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }";
  EXPECT_EQ(header.substr(0, 8), std::string("\x93NUMPY\x01\x00", 8));
  EXPECT_EQ(static_cast<unsigned char>(header[8]), 128 - 10);
  EXPECT_EQ(header[9], 0);
  EXPECT_EQ(header.substr(10, dict.size()), dict);
  EXPECT_EQ(header.substr(10 + dict.size()), std::string(128 - 10 - dict.size() - 1, ' ') + "\n");
}

TEST(Npy, DescriptionsOfEveryTypeAndShape) {
  const uint64_t vector[] = {7};
  EXPECT_NE(npy_header(DType::U8, vector).find("'|u1', 'fortran_order': False, 'shape': (7,), "),
            std::string::npos);
  EXPECT_NE(npy_header(DType::C64, {}).find("'<c8', 'fortran_order': False, 'shape': (), "),
            std::string::npos);
  for (const DTypeInfo& row : dtypes()) {
    if (!row.in_safetensors()) continue;
    const std::string header = npy_header(row.dtype, vector);
    EXPECT_EQ(header.size() % 64, 0u) << row.name;
    const char width = header[header.find("'descr': '") + 12];
    // What NumPy lacks is float32; everything else keeps its size.
    const bool keeps = static_cast<int>(width - '0') == row.block_bytes && row.block_elements == 1;
    EXPECT_TRUE(keeps || header.find("'<f4'") != std::string::npos) << row.name;
  }
}

std::string npy_of(DType dtype, std::vector<uint64_t> shape, std::string data) {
  TempDir dir;
  ModelBuilder().tensor("w", dtype, shape, std::move(data)).write(dir.path());
  const Model model = open_model(dir.path());
  const std::string path = dir / "w.npy";
  const auto written = write_npy(model, *model.find("w"), path, false, {.threads = 3});
  EXPECT_TRUE(written) << written.error().message;
  return read_file(path);
}

TEST(Npy, CopiesWhatNumPyHasAndWidensTheRest) {
  const std::string floats = bytes_of(std::vector<float>{1, 2, 3, 4, 5, 6});
  const uint64_t shape[] = {2, 3}, four[] = {4}, none[] = {0, 3};
  EXPECT_EQ(npy_of(DType::F32, {2, 3}, floats), npy_header(DType::F32, shape) + floats);
  EXPECT_EQ(npy_of(DType::F4, {4}, "\x21\x73"),
            npy_header(DType::F4, four) + bytes_of(std::vector<float>{0.5F, 1, 1.5F, 6}));
  EXPECT_EQ(npy_of(DType::I16, {0, 3}, ""), npy_header(DType::I16, none));
}

TEST(Npy, LargeTensorsAreWrittenInPieces) {
  constexpr uint64_t kElements = 1'200'001;
  std::vector<uint16_t> bits(kElements);
  std::vector<float> wide(kElements);
  for (size_t i = 0; i < kElements; ++i) {
    bits[i] = static_cast<uint16_t>(0x3F80 + i % 97);
    const uint32_t word = static_cast<uint32_t>(bits[i]) << 16;
    std::memcpy(&wide[i], &word, sizeof word);
  }
  const uint64_t shape[] = {kElements};
  const std::string expected = npy_header(DType::BF16, shape) + bytes_of(wide);
  EXPECT_TRUE(npy_of(DType::BF16, {kElements}, bytes_of(bits)) == expected);
}

TEST(Npy, KeepsWhatIsThereUnlessTold) {
  TempDir dir;
  ModelBuilder().tensor("w", DType::U8, {1}, "x").write(dir.path());
  const Model model = open_model(dir.path());
  const std::string path = dir / "w.npy";
  write_file(path, "precious");
  const auto refused = write_npy(model, *model.find("w"), path, false, {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::OutputExists);
  EXPECT_EQ(read_file(path), "precious");
  EXPECT_TRUE(write_npy(model, *model.find("w"), path, true, {}));
  EXPECT_TRUE(read_file(path).ends_with("x"));
}

}  // namespace
}  // namespace stkit::test
