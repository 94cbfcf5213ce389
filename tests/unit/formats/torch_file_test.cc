#include "formats/torch_file.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "stkit/io.h"
#include "support/damage.h"
#include "support/torch_builder.h"

namespace stkit {
namespace {

using namespace std::string_literals;
using test::packed;
using test::PickleBuilder;
using test::TorchBuilder;

struct Opened {
  std::string bytes;
  std::unique_ptr<RandomAccessFile> file;
  TorchFile torch;

  explicit Opened(std::string input)
      : bytes(std::move(input)),
        file(open_memory_file("x.bin", std::as_bytes(std::span(bytes)))),
        torch(std::move(*TorchFile::read(*file, 1 << 20))) {}

  std::optional<PickleId> entry(std::string_view name) const {
    return torch.pickle().find(torch.pickle().root(), name);
  }
  std::expected<TorchTensor, TorchProblem> tensor(std::string_view name) const {
    return torch.tensor(*entry(name));
  }
  std::string problem(std::string_view name) const {
    const auto found = tensor(name);
    return found ? "none" : std::string(info(found.error().check).id) + " " + found.error().message;
  }
  std::string findings() {
    std::string text;
    for (const Finding& finding : torch.take_findings())
      if (finding.check != Check::AllowedGlobal)
        text += std::string(info(finding.check).id) + " " + finding.message + "\n";
    return text;
  }
};

TorchBuilder two_tensors() {
  return TorchBuilder()
      .storage("0", packed<float>({0, 1, 2, 3, 4, 5}))
      .storage("1", packed<float>({6, 7}))
      .tensor("w", "Float", "0", 6, 0, {2, 3}, {3, 1})
      .tensor("t", "Float", "0", 6, 0, {3, 2}, {1, 3})
      .tensor("row", "Float", "0", 6, 3, {3}, {1})
      .tensor("scalar", "Float", "1", 2, 1, {}, {})
      .tensor("empty", "Float", "1", 2, 0, {0, 3}, {3, 1})
      .tensor("wide", "Float", "1", 2, 1, {4, 2}, {0, 0});
}

void expect_two_tensors(const Opened& opened) {
  ASSERT_TRUE(opened.torch.has_object());
  const auto first_float = [&](std::string_view name) {
    const auto tensor = opened.tensor(name);
    float value = -1;
    opened.bytes.copy(reinterpret_cast<char*>(&value), 4, tensor->offset_bytes);
    return value;
  };
  const auto w = opened.tensor("w");
  ASSERT_TRUE(w.has_value());
  EXPECT_EQ(w->dtype, DType::F32);
  EXPECT_EQ(w->shape, (std::vector<uint64_t>{2, 3}));
  EXPECT_EQ(w->strides, (std::vector<uint64_t>{3, 1}));
  EXPECT_EQ(first_float("w"), 0);
  EXPECT_EQ(opened.tensor("t")->strides, (std::vector<uint64_t>{1, 3}));
  EXPECT_EQ(first_float("row"), 3);
  EXPECT_EQ(first_float("scalar"), 7);
  EXPECT_TRUE(opened.tensor("scalar")->shape.empty());
  EXPECT_TRUE(opened.tensor("empty").has_value());
  EXPECT_EQ(opened.tensor("wide")->strides, (std::vector<uint64_t>{0, 0}));
}

TEST(TorchFile, ReadsTheZipForm) {
  Opened opened(two_tensors().zip());
  expect_two_tensors(opened);
  EXPECT_EQ(opened.findings(), "");
}

// T25
TEST(TorchFile, ReadsTheLegacyForm) {
  Opened opened(two_tensors().legacy(4));
  expect_two_tensors(opened);
  EXPECT_EQ(opened.findings(), "");
}

// T27
TEST(TorchFile, SaysWhatABigEndianFileMustSwap) {
  for (const bool zip : {true, false}) {
    TorchBuilder builder = two_tensors().big_endian();
    Opened opened(zip ? builder.zip() : builder.legacy(4));
    EXPECT_EQ(opened.tensor("w")->swap_bytes, 4);
  }
}

TEST(TorchFile, KnowsWhatWrapsTensors) {
  const auto wrapped = [](std::string_view module, std::string_view name, auto arguments) {
    PickleBuilder builder(0);
    builder.global(module, name).mark();
    arguments(builder);
    const std::string bytes = builder.tuple().call().bytes();
    return bytes.substr(0, bytes.size() - 1);
  };
  const auto tensor = [](PickleBuilder& b) { b.tensor("Float", "0", 2, 0, {2}, {1}); };
  TorchBuilder builder;
  builder.storage("0", packed<float>({1, 2}));
  builder.value("parameter", wrapped("torch._utils", "_rebuild_parameter", [&](PickleBuilder& b) {
                  tensor(b);
                  b.boolean(true).ordered_dict();
                }));
  builder.value("typed", wrapped("torch._tensor", "_rebuild_from_type_v2", [&](PickleBuilder& b) {
                  b.global("torch._utils", "_rebuild_tensor_v2").global("torch", "Tensor").mark();
                  b.storage("Float", "0", 2).integer(1).integers({1}).integers({1});
                  b.boolean(false).ordered_dict().tuple().dict();
                }));
  const auto version_3 = [&](std::string_view dtype, int64_t bytes, std::vector<int64_t> shape) {
    return wrapped("torch._utils", "_rebuild_tensor_v3", [&](PickleBuilder& b) {
      b.mark().string("storage").global("torch.storage", "UntypedStorage").string("0");
      b.string("cpu").integer(bytes).tuple().raw("Q").integer(2).integers(shape);
      b.integers({1}).boolean(false).ordered_dict().global("torch", dtype);
    });
  };
  builder.value("f8", version_3("float8_e4m3fn", 8, {6}));
  builder.value("u16", version_3("uint16", 8, {2}));
  builder.value("f4", version_3("float4_e2m1fn_x2", 8, {3}));
  builder.value("c32", version_3("complex32", 8, {1}));
  builder.value("new", version_3("float3", 8, {1}));
  builder.value("beyond", version_3("uint16", 8, {3}));
  const Opened opened(builder.zip());
  EXPECT_EQ(opened.tensor("parameter")->shape, (std::vector<uint64_t>{2}));
  EXPECT_EQ(opened.tensor("typed")->shape, (std::vector<uint64_t>{1}));
  EXPECT_EQ(opened.tensor("f8")->dtype, DType::F8_E4M3);
  EXPECT_EQ(opened.tensor("u16")->dtype, DType::U16);
  EXPECT_EQ(opened.tensor("u16")->offset_bytes, opened.tensor("f8")->offset_bytes + 2);
  EXPECT_EQ(opened.tensor("f4")->shape, (std::vector<uint64_t>{6}));
  EXPECT_EQ(opened.problem("c32"), "PK012 safetensors has no dtype for complex32");
  EXPECT_EQ(opened.problem("new"), "PK012 its dtype 'torch.float3' is not known");
  EXPECT_EQ(opened.problem("beyond"), "PK010 it needs 5 values of storage '0', which holds 4");
}

// T24
TEST(TorchFile, RefusesViewsBeyondTheirStorage) {
  constexpr int64_t kHuge = int64_t{1} << 62;
  struct Case {
    const char* name;
    int64_t count, offset;
    std::vector<int64_t> shape, strides;
    const char* problem;
  };
  const Case cases[] = {
      {"fits", 6, 0, {2, 3}, {3, 1}, "none"},
      {"overlapping rows", 6, 0, {2, 3}, {1, 1}, "none"},
      {"expanded", 6, 5, {1000, 1000}, {0, 0}, "none"},
      {"empty beyond the end", 6, 1000, {0}, {1}, "none"},
      {"one too many", 6, 0, {7}, {1}, "PK010 it needs 7 values of storage '0', which holds 6"},
      {"offset", 6, 1, {2, 3}, {3, 1}, "PK010 it needs 7 values"},
      {"stride", 6, 0, {2, 3}, {4, 1}, "PK010 it needs 7 values"},
      {"negative offset", 6, -1, {2}, {1}, "malformed or negative"},
      {"negative stride", 6, 5, {6}, {-1}, "malformed or negative"},
      {"negative size", 6, 0, {-1}, {1}, "malformed or negative"},
      {"ranks differ", 6, 0, {2, 3}, {1}, "malformed or negative"},
      {"overflow", 6, 0, {kHuge, kHuge}, {kHuge, 1}, "more than 2^64"},
      {"expanded beyond reason", 6, 0, {kHuge}, {0}, "more than 2^48 bytes"},
      {"rank 65", 6, 0, std::vector<int64_t>(65, 1), std::vector<int64_t>(65, 1), "malformed"},
      {"storage too small", 7, 0, {1}, {1}, "PK011 its storage '0' should hold 7 values of 4"},
      {"storage of 2^62", kHuge, 0, {1}, {1}, "PK011"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const Opened opened(TorchBuilder()
                            .storage("0", packed<float>({0, 1, 2, 3, 4, 5}))
                            .tensor("w", "Float", "0", c.count, c.offset, c.shape, c.strides)
                            .zip());
    EXPECT_NE(opened.problem("w").find(c.problem), std::string::npos) << opened.problem("w");
  }
}

TEST(TorchFile, SaysWhyAFileIsNone) {
  struct Case {
    const char* name;
    std::string bytes;
    const char* finding;
  };
  const std::string legacy = two_tensors().legacy(4);
  const Case cases[] = {
      {"empty", "", "PK008"},
      {"text", "hello", "PK008 the file is not PyTorch's but a text file"},
      {"a bare pickle", "\x80\x02N.", "PK008 the file is a Python pickle"},
      {"a zip of something", test::ZipBuilder().add("a", "b").bytes(), "PK008 none of the 1"},
      {"TorchScript", two_tensors().archive().add("model/constants.pkl", "x").bytes(), "PK009"},
      {"two objects", two_tensors().archive().add("other/data.pkl", "x").bytes(), "PK004"},
      {"a truncated zip", two_tensors().zip().substr(0, 500), "PK004"},
      {"behind the pickle", TorchBuilder().object("\x80\x02}.x").zip(), "PK016 1 bytes"},
      {"a broken pickle", TorchBuilder().object("\x80\x02}").zip(), "PK006"},
      {"an attack", TorchBuilder().object("cos\nsystem\nX\1\0\0\0x\x85R."s).zip(), "PK001"},
      {"an unknown class", TorchBuilder().object("cmy.module\nNet\n)\x81.").zip(), "PK002"},
      {"legacy, short of its last byte", legacy.substr(0, legacy.size() - 1), "PK011"},
      {"legacy, a byte too long", legacy + "x", "PK016 1 bytes follow"},
      {"legacy, cut in the object", legacy.substr(0, 200), "PK006"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    Opened opened(c.bytes);
    const std::string findings = opened.findings();
    EXPECT_NE(findings.find(c.finding), std::string::npos) << findings;
  }
}

TEST(TorchFile, EveryTruncationAndEveryFlippedByteIsSurvived) {
  for (const std::string& good : {two_tensors().zip(), two_tensors().legacy(4)}) {
    const auto look = [&](std::string bytes) {
      const Opened opened(std::move(bytes));
      if (!opened.torch.has_object()) return;
      const Pickle& p = opened.torch.pickle();
      for (PickleId id = 0; id < p.node_count(); ++id) {
        if (!opened.torch.is_tensor(id)) continue;
        const auto tensor = opened.torch.tensor(id);
        EXPECT_TRUE(!tensor || tensor->offset_bytes <= opened.bytes.size());
      }
    };
    for (size_t size = 0; size < good.size(); size += size < 1000 ? 1 : 7)
      look(good.substr(0, size));
    constexpr uint8_t kMasks[] = {0x81};
    test::for_each_flipped_byte(good, kMasks,
                                [&](std::string bytes, size_t) { look(std::move(bytes)); });
  }
}

}  // namespace
}  // namespace stkit
