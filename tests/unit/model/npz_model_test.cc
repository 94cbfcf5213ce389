// NumPy's archives and arrays as models: names, dtypes, bytes, and what is left out or refused.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "stkit/model.h"
#include "support/npy_builder.h"
#include "support/pickle_builder.h"
#include "support/temp_dir.h"
#include "support/torch_builder.h"
#include "support/zip_builder.h"

namespace stkit {
namespace {

using namespace std::string_literals;
using test::npy;
using test::packed;
using test::TempDir;
using test::write_file;
using test::ZipBuilder;

template <class T>
std::vector<T> values(const Model& model, std::string_view name) {
  const TensorInfo* tensor = model.find(name);
  EXPECT_NE(tensor, nullptr) << name;
  if (tensor == nullptr) return {};
  std::vector<T> read(tensor->size_bytes / sizeof(T));
  EXPECT_TRUE(
      model.read(*tensor, 0, tensor->element_count, std::as_writable_bytes(std::span(read))));
  return read;
}

std::string findings(const Model& model) {
  std::string text;
  for (const Finding& finding : model.findings())
    text += std::string(info(finding.check).id) + " " + finding.message + "\n";
  return text;
}

class NpzModel : public testing::Test {
 protected:
  Result<Model> scan(const std::string& bytes, const std::string& name = "w.npz") {
    write_file(dir_ / name, bytes);
    return Model::scan((dir_ / name).string());
  }
  Result<Model> open(const ZipBuilder& archive) {
    write_file(dir_ / "w.npz", archive.bytes());
    return Model::open((dir_ / "w.npz").string());
  }

  TempDir dir_;
};

std::string swapped(std::string bytes, size_t width) {
  for (size_t at = 0; at < bytes.size(); at += width)
    std::reverse(bytes.begin() + static_cast<std::ptrdiff_t>(at),
                 bytes.begin() + static_cast<std::ptrdiff_t>(at + width));
  return bytes;
}

// Each way to store an array, stored and deflated.
ZipBuilder archive(bool deflated) {
  ZipBuilder zip;
  const auto add = [&](const std::string& name, const std::string& content) {
    deflated ? zip.add_deflated(name, content) : zip.add(name, content);
  };
  add("block.0.w.npy", npy("<f4", "(2, 3)", packed<float>({0, 1, 2, 3, 4, 5})));
  add("fortran.npy", npy("<f4", "(2, 3)", packed<float>({0, 3, 1, 4, 2, 5}), true));
  add("big.npy", npy(">f8", "(2,)", swapped(packed<double>({1.5, -2}), 8)));
  add("complex.npy", npy(">c8", "(1,)", swapped(packed<float>({1, 2}), 4)));
  add("bf16.npy", npy("|V2", "(2,)", packed<uint16_t>({0x3F80, 0xC000})));
  add("scalar.npy", npy("<i8", "()", packed<int64_t>({-7})));
  add("empty.npy", npy("|u1", "(0, 4)", ""));
  return zip;
}

TEST_F(NpzModel, ReadsEveryArray) {
  for (const bool deflated : {false, true}) {
    const auto model = open(archive(deflated));
    ASSERT_TRUE(model.has_value()) << model.error().message;
    EXPECT_EQ(model->format(), FileFormat::Npz);
    ASSERT_EQ(model->tensors().size(), 7u);
    const std::vector<float> counted{0, 1, 2, 3, 4, 5};
    EXPECT_EQ(values<float>(*model, "block.0.w"), counted);
    EXPECT_EQ(values<float>(*model, "fortran"), counted);
    EXPECT_EQ(values<double>(*model, "big"), (std::vector<double>{1.5, -2}));
    EXPECT_EQ(values<float>(*model, "complex"), (std::vector<float>{1, 2}));
    EXPECT_EQ(values<uint16_t>(*model, "bf16"), (std::vector<uint16_t>{0x3F80, 0xC000}));
    EXPECT_EQ(model->find("bf16")->dtype, DType::BF16);
    EXPECT_EQ(values<int64_t>(*model, "scalar"), std::vector<int64_t>{-7});
    EXPECT_EQ(model->find("empty")->element_count, 0u);
    EXPECT_EQ(model->find("block.0.w")->contiguous, !deflated);
    EXPECT_EQ(findings(*model),
              "NP005 array 'bf16' has elements of two bytes without a type, taken for bfloat16\n");
    EXPECT_TRUE(model->check_unchanged());
  }
}

TEST_F(NpzModel, CompressedArraysReadAtAnyPlaceInAnyOrder) {
  std::vector<uint32_t> counted(300'000);
  for (uint32_t i = 0; i < counted.size(); ++i) counted[i] = i * 2654435761u;
  ZipBuilder zip;
  zip.add_deflated("a.npy", npy("<u4", "(300000,)", packed(counted)));
  zip.add_deflated("b.npy", npy("<u4", "(300, 1000)", packed(counted), true));
  const auto model = open(zip);
  ASSERT_TRUE(model.has_value()) << model.error().message;
  const TensorInfo& a = *model->find("a");
  const TensorInfo& b = *model->find("b");
  uint64_t state = 1;
  for (int i = 0; i < 60; ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    const uint64_t first = (state >> 33) % counted.size();
    const uint64_t count = std::min<uint64_t>((state >> 20) % 5000, counted.size() - first);
    std::vector<uint32_t> read(count);
    ASSERT_TRUE(model->read(a, first, count, std::as_writable_bytes(std::span(read))));
    EXPECT_TRUE(std::ranges::equal(read, std::span(counted).subspan(first, count))) << first;
    if (i % 20 != 0) continue;
    ASSERT_TRUE(model->read(b, first, count, std::as_writable_bytes(std::span(read))));
    for (uint64_t j = 0; j < count; ++j) {
      const uint64_t row = (first + j) / 1000, column = (first + j) % 1000;
      ASSERT_EQ(read[j], counted[column * 300 + row]) << first + j;
    }
  }
}

TEST_F(NpzModel, DamageInACompressedArrayIsFoundWhereItIsRead) {
  ZipBuilder zip;
  zip.add_deflated("w.npy", npy("<u4", "(5000,)", std::string(20000, 'a')));
  std::string bytes = zip.bytes();
  bytes[bytes.find(std::string(100, 'a')) + 7000] = 'b';  // in the elements
  const auto model = scan(bytes);
  ASSERT_TRUE(model.has_value());
  const TensorInfo& tensor = *model->find("w");
  std::vector<std::byte> read(20000);
  const auto done = model->read(tensor, 0, 5000, read);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ErrorCode::Corrupt);
  EXPECT_NE(done.error().message.find("CRC-32"), std::string::npos) << done.error().message;
}

TEST_F(NpzModel, WhatIsNoWeightIsLeftOutOrRefused) {
  const std::string w = npy("<f4", "(1,)", "1234");
  const std::string evil = test::PickleBuilder().global("posix", "system").bytes();
  const struct {
    const char* name;
    std::string bytes;
    std::string_view findings;
    size_t tensors;
  } kCases[] = {
      {"text", ZipBuilder().add("w.npy", w).add("t.npy", npy("<U1", "(1,)", "a\0\0\0"s)).bytes(),
       "NP006 't' is left out: its elements are text\n", 1},
      {"other member", ZipBuilder().add("w.npy", w).add("readme", "x").bytes(),
       "NP006 'readme' is left out: it is no .npy file\n", 1},
      {"trailing", ZipBuilder().add("w.npy", w + "12").bytes(),
       "NP004 2 bytes follow the elements of array 'w'\n", 1},
      {"objects", ZipBuilder().add("w.npy", w).add("o.npy", npy("|O", "(1,)", evil)).bytes(),
       "PK001 'posix.system' is what attacks call; whoever loads this file with Python runs it\n"
       "NP003 array 'o': its elements are Python objects, kept as a pickle\n",
       1},
      {"short", ZipBuilder().add("w.npy", w.substr(0, w.size() - 1)).bytes(),
       "NP002 array 'w': F32 of shape [1] takes 4 bytes, but 3 follow its header\n", 0},
      {"no array", ZipBuilder().add("readme", "x").bytes(), "NP007", 0},
      {"bomb",
       ZipBuilder()
           .add({.name = "w.npy", .data = "x", .method = 8, .size_bytes = uint64_t{1} << 30})
           .bytes(),
       "PK004 array 'w': 1 compressed bytes cannot be 1,073,741,824 bytes\n", 0},
      {"no stream",
       ZipBuilder()
           .add({.name = "w.npy", .data = "xxxxxxx", .method = 8, .size_bytes = 900})
           .bytes(),
       "PK004 array 'w': compressed data is damaged", 0},
      {"not UTF-8", ZipBuilder().add("\xFF.npy", w).bytes(), "NP001", 0},
      {"truncated", ZipBuilder().add("w.npy", w).bytes().substr(0, 100), "PK004", 0},
  };
  for (const auto& c : kCases) {
    const auto model = scan(c.bytes);
    ASSERT_TRUE(model.has_value()) << c.name << ": " << model.error().message;
    EXPECT_EQ(model->format(), FileFormat::Npz) << c.name;
    EXPECT_NE(findings(*model).find(c.findings), std::string::npos)
        << c.name << ": " << findings(*model);
    EXPECT_EQ(model->tensors().size(), c.tensors) << c.name;
  }
}

TEST_F(NpzModel, IsToldByItsContent) {
  const std::string w = npy("<f4", "(2,)", packed<float>({1, 2}));
  const auto alone = scan(w, "weight.npy");
  ASSERT_TRUE(alone.has_value()) << alone.error().message;
  EXPECT_EQ(values<float>(*alone, "weight"), (std::vector<float>{1, 2}));
  EXPECT_EQ(scan(ZipBuilder().add("a.npy", w).bytes(), "x.bin")->format(), FileFormat::Npz);
  const std::string torch = test::TorchBuilder()
                                .storage("0", packed<float>({1}))
                                .tensor("w", "Float", "0", 1, 0, {1}, {1})
                                .zip();
  EXPECT_EQ(scan(torch, "y.npz")->format(), FileFormat::PyTorch);

  const TempDir folder;
  write_file(folder / "weights.npz", ZipBuilder().add("a.npy", w).bytes());
  write_file(folder / "config.json", "{}");
  const auto model = Model::open(folder.path().string());
  ASSERT_TRUE(model.has_value()) << model.error().message;
  EXPECT_EQ(model->format(), FileFormat::Npz);
  EXPECT_EQ(model->files().size(), 2u);
}

// T23
TEST_F(NpzModel, NoFlipOfAByteHarms) {
  const std::string good = archive(true).bytes();
  for (size_t i = 0; i < good.size(); i += 7) {
    std::string changed = good;
    changed[i] = static_cast<char>(changed[i] ^ 0x11);
    const auto model = scan(changed);
    if (!model) continue;
    for (const TensorInfo& tensor : model->tensors()) {
      std::vector<std::byte> read(tensor.size_bytes);
      (void)model->read(tensor, 0, tensor.element_count, read);
    }
  }
}

}  // namespace
}  // namespace stkit
