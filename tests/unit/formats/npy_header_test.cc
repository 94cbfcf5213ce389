// Headers of NumPy's arrays: what NumPy writes is understood, everything else is refused.
#include "formats/npy_header.h"

#include <gtest/gtest.h>

#include <cstring>

#include "support/npy_builder.h"

namespace stkit {
namespace {

using namespace std::string_literals;
using test::npy;
using test::npy_of_header;

NpyHeader read(const std::string& bytes) {
  const auto read_at = [&](uint64_t offset, std::span<std::byte> out) -> Result<void> {
    EXPECT_LE(offset + out.size(), bytes.size());
    std::memcpy(out.data(), bytes.data() + offset, out.size());
    return {};
  };
  auto header = read_npy_header(bytes.size(), read_at);
  EXPECT_TRUE(header.has_value());
  return *std::move(header);
}

using Numbers = std::vector<uint64_t>;

TEST(NpyHeader, EveryTypeThatSafetensorsHas) {
  const struct {
    std::string_view descr;
    DType dtype;
    uint8_t swap_bytes;
  } kCases[] = {{"|b1", DType::BOOL, 0}, {"|i1", DType::I8, 0},  {"|u1", DType::U8, 0},
                {"<i2", DType::I16, 0},  {">i2", DType::I16, 2}, {"<u2", DType::U16, 0},
                {"<i4", DType::I32, 0},  {">u4", DType::U32, 4}, {"<i8", DType::I64, 0},
                {">u8", DType::U64, 8},  {"<f2", DType::F16, 0}, {">f2", DType::F16, 2},
                {"<f4", DType::F32, 0},  {"=f4", DType::F32, 0}, {">f8", DType::F64, 8},
                {"<c8", DType::C64, 0},  {">c8", DType::C64, 4}, {"|V2", DType::BF16, 0},
                {"<V2", DType::BF16, 0}, {">u1", DType::U8, 0}};
  for (const auto& c : kCases) {
    const NpyHeader header = read(npy(c.descr, "(3,)", std::string(24, '\0')));
    ASSERT_TRUE(header.has_value()) << c.descr << ": " << header.error().message;
    EXPECT_EQ(header->dtype, c.dtype) << c.descr;
    EXPECT_EQ(header->swap_bytes, c.swap_bytes) << c.descr;
    EXPECT_EQ(header->is_void, c.descr.ends_with("V2")) << c.descr;
    EXPECT_EQ(header->shape, Numbers{3});
    EXPECT_EQ(header->header_bytes % 64, 0u);
  }
}

TEST(NpyHeader, ShapesAndOrders) {
  const struct {
    std::string_view shape;
    bool fortran;
    Numbers sizes, strides;
  } kCases[] = {{"()", false, {}, {}},
                {"(4,)", true, {4}, {1}},
                {"(2, 3, 4)", false, {2, 3, 4}, {12, 4, 1}},
                {"(2, 3, 4)", true, {2, 3, 4}, {1, 2, 6}},
                {"(2L, 3L)", false, {2, 3}, {3, 1}},
                {"(0, 3)", false, {0, 3}, {3, 1}}};
  for (const auto& c : kCases) {
    const NpyHeader header = read(npy("<f4", c.shape, std::string(96, '\0'), c.fortran));
    ASSERT_TRUE(header.has_value()) << c.shape << ": " << header.error().message;
    EXPECT_EQ(header->shape, c.sizes) << c.shape;
    EXPECT_EQ(header->strides, c.strides) << c.shape;
  }
}

TEST(NpyHeader, VersionsOrderOfKeysAndQuotes) {
  const std::string text = R"({"shape": (2,), "fortran_order": False, "descr": "<f4"})";
  for (const int major : {1, 2, 3}) EXPECT_TRUE(read(npy_of_header(text, "12345678", major)));
  // NumPy before 1.14 aligned to 16 and other writers do not at all.
  const NpyHeader unaligned = read(npy_of_header(text, "12345678", 1, false));
  ASSERT_TRUE(unaligned.has_value());
  EXPECT_EQ(unaligned->header_bytes, 10 + text.size());
  EXPECT_EQ(unaligned->size_bytes, 8u);
}

TEST(NpyHeader, WhatIsWrongIsRefused) {
  const auto dict = [](std::string_view rest) {
    return npy_of_header("{" + std::string(rest) + "}", std::string(64, '\0'));
  };
  const std::string good = npy("<f4", "(2, 3)", std::string(24, '\0'));
  std::string version = good, magic = good, length = good;
  version[6] = 4;
  magic[1] = 'X';
  length[9] = '\x7F';
  const struct {
    const char* name;
    std::string bytes;
    Check check;
    std::string_view part;
  } kCases[] = {
      {"empty", "", Check::BadNpy, "0 bytes are too few"},
      {"magic", magic, Check::BadNpy, "does not begin like a NumPy array"},
      {"version", version, Check::BadNpy, "version 4.0"},
      {"length", length, Check::BadNpy, "a header of"},
      {"no dict", npy_of_header("(1, 2)", ""), Check::BadNpy, "not a dict"},
      {"missing key", dict("'descr': '<f4', 'shape': (1,)"), Check::BadNpy, "not a dict"},
      {"key twice", dict("'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'shape': (2,)"),
       Check::BadNpy, "not a dict"},
      {"other key", dict("'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'x': 1"),
       Check::BadNpy, "not a dict"},
      {"escape", dict(R"('descr': '\x3cf4', 'fortran_order': False, 'shape': (1,))"), Check::BadNpy,
       "not a dict"},
      {"no tuple", dict("'descr': '<f4', 'fortran_order': False, 'shape': (3)"), Check::BadNpy,
       "not a dict"},
      {"negative", dict("'descr': '<f4', 'fortran_order': False, 'shape': (-1,)"), Check::BadNpy,
       "not a dict"},
      {"call", dict("'descr': '<f4', 'fortran_order': False, 'shape': (int(3),)"), Check::BadNpy,
       "not a dict"},
      {"behind it",
       npy_of_header("{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} + 1", "1234"),
       Check::BadNpy, "not a dict"},
      {"no order", npy("|f4", "(1,)", "1234"), Check::BadNpy, "has no byte order"},
      {"overflow", npy("<f8", "(4294967296, 4294967296)", ""), Check::BadNpy,
       "larger than 64 bits"},
      {"bytes overflow", npy("<f8", "(4611686018427387904,)", ""), Check::BadNpy,
       "larger than 64 bits"},
      {"short", npy("<f4", "(2, 3)", std::string(23, '\0')), Check::NpySize,
       "F32 of shape [2, 3] takes 24 bytes, but 23 follow"},
      {"complex", npy("<c16", "(1,)", std::string(16, '\0')), Check::NpyDType, "'<c16'"},
      {"time", npy("<M8[ns]", "(1,)", std::string(8, '\0')), Check::NpyDType, "'<M8[ns]'"},
      {"void", npy("|V1", "(1,)", "1"), Check::NpyDType, "'|V1'"},
      {"bare", npy("f4", "(1,)", "1234"), Check::NpyDType, "'f4'"},
      {"text", npy("<U3", "(1,)", std::string(12, '\0')), Check::NpySkipped, "text"},
      {"bytes", npy("|S3", "(1,)", "abc"), Check::NpySkipped, "text"},
      {"records", dict("'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)"),
       Check::NpyDType, "records"},
      {"objects", npy("|O", "(1,)", "\x80\x04N."), Check::NpyDType, "Python objects"},
  };
  for (const auto& c : kCases) {
    const NpyHeader header = read(c.bytes);
    ASSERT_FALSE(header.has_value()) << c.name;
    EXPECT_EQ(header.error().check, c.check) << c.name << ": " << header.error().message;
    EXPECT_NE(header.error().message.find(c.part), std::string::npos)
        << c.name << ": " << header.error().message;
    EXPECT_EQ(header.error().is_pickle, c.name == "objects"s) << c.name;
  }
}

TEST(NpyHeader, NoTruncationAndNoFlipOfAByteHarms) {
  const std::string good = npy("<f4", "(2, 3)", std::string(24, 'x'));
  for (size_t size = 0; size < good.size(); ++size) EXPECT_FALSE(read(good.substr(0, size)));
  for (size_t i = 0; i < good.size() - 24; ++i)
    for (const char flip : {'\x01', '\x10', '\x80'}) {
      std::string changed = good;
      changed[i] = static_cast<char>(changed[i] ^ flip);
      const NpyHeader header = read(changed);
      if (!header) continue;
      EXPECT_LE(header->header_bytes + header->size_bytes, changed.size());
    }
}

}  // namespace
}  // namespace stkit
