// What torch.save writes of a dict, planned: byte for byte where it matters, and read back.
#include "formats/torch_writer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "formats/crc32_runs.h"
#include "formats/inflate.h"
#include "formats/torch_file.h"
#include "formats/zip_reader.h"
#include "stkit/io.h"

namespace stkit {
namespace {

constexpr uint64_t kMaxBytes = 1 << 20;

// A planned archive whose contents are zeros, without their room.
class PlannedFile final : public RandomAccessFile {
 public:
  explicit PlannedFile(const ZipPlan& plan) : plan_(plan) {}
  const std::string& label() const override { return label_; }
  uint64_t size_bytes() const override { return plan_.file_bytes; }
  Result<void> read_at(uint64_t offset, std::span<std::byte> out) const override {
    std::ranges::fill(out, std::byte{0});
    for (const ZipPlan::Text& text : plan_.texts) {
      const uint64_t begin = std::max(offset, text.offset_bytes);
      const uint64_t end = std::min(offset + out.size(), text.offset_bytes + text.bytes.size());
      if (begin < end)
        std::memcpy(out.data() + (begin - offset), text.bytes.data() + (begin - text.offset_bytes),
                    end - begin);
    }
    return {};
  }

 private:
  const ZipPlan& plan_;
  const std::string label_ = "planned";
};

std::string bytes_at(const ZipPlan& plan, uint64_t offset, size_t count) {
  std::string bytes(count, '\0');
  EXPECT_TRUE(PlannedFile(plan).read_at(offset, std::as_writable_bytes(std::span(bytes))));
  return bytes;
}

// The offsets that torch 2.13 gives these entries; `version` is followed by its serialization_id
// there.
TEST(ZipPlanner, LaysOutAsTorchDoes) {
  ZipPlanner zip(64);
  zip.add("pytorch_model/data.pkl", std::string(460, 'p'));
  zip.add("pytorch_model/.format_version", "1");
  zip.add("pytorch_model/.storage_alignment", "64");
  zip.add("pytorch_model/byteorder", "little");
  EXPECT_EQ(zip.add("pytorch_model/data/0", uint64_t{24}), 1024u);
  EXPECT_EQ(zip.add("pytorch_model/data/1", uint64_t{2}), 1152u);
  EXPECT_EQ(zip.add("pytorch_model/data/2", uint64_t{0}), 1280u);
  EXPECT_EQ(zip.add("pytorch_model/data/3", uint64_t{4}), 1344u);
  zip.add("pytorch_model/version", "3\n");
  const ZipPlan plan = zip.finish();
  const auto directory = read_zip_directory(PlannedFile(plan), kMaxBytes);
  ASSERT_TRUE(directory.has_value());
  ASSERT_TRUE(directory->sound()) << directory->findings.front().message;
  const struct {
    std::string_view name;
    uint64_t header, data;
  } kEntries[] = {{"pytorch_model/data.pkl", 0, 64},
                  {"pytorch_model/.format_version", 540, 640},
                  {"pytorch_model/.storage_alignment", 657, 768},
                  {"pytorch_model/byteorder", 786, 896},
                  {"pytorch_model/data/0", 918, 1024},
                  {"pytorch_model/data/1", 1064, 1152},
                  {"pytorch_model/data/2", 1170, 1280},
                  {"pytorch_model/data/3", 1280, 1344},
                  {"pytorch_model/version", 1364, 1472}};
  EXPECT_EQ(directory->entries.size(), std::size(kEntries));
  for (const auto& entry : kEntries) {
    const ZipEntry* found = directory->find(entry.name);
    ASSERT_NE(found, nullptr) << entry.name;
    EXPECT_EQ(found->header_offset, entry.header) << entry.name;
    EXPECT_EQ(found->data_offset, entry.data) << entry.name;
  }
  using namespace std::string_literals;
  EXPECT_EQ(bytes_at(plan, 1364, 30),
            "PK\x03\x04\0\0\x08\x08\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x15\0\x39\0"s);
  EXPECT_EQ(bytes_at(plan, 1474, 16), "PK\x07\x08\xD1\x9E\x67\x55\x02\0\0\0\x02\0\0\0"s);
  // Of what others write: behind the data, and in the directory. Nothing has no sum.
  ASSERT_EQ(plan.sums.size(), 6u);
  EXPECT_EQ(plan.sums[0].offset_bytes, 1024u + 24 + 4);
  EXPECT_EQ(plan.sums[2].entry, 3u);
  EXPECT_EQ(plan.sums[5].entry, 3u);
}

// T23
TEST(ZipPlanner, LargeEntriesAndFarOnes) {
  constexpr uint64_t kHuge = (uint64_t{5} << 30) + 3;
  ZipPlanner zip(64);
  zip.add("a/small", "x");
  const uint64_t huge = zip.add("a/huge", kHuge);
  const uint64_t far = zip.add("a/far", uint64_t{10});
  zip.add("a/end", "y");
  const ZipPlan plan = zip.finish();
  EXPECT_EQ(huge % 64, 0u);
  EXPECT_EQ(far % 64, 0u);
  const auto directory = read_zip_directory(PlannedFile(plan), kMaxBytes);
  ASSERT_TRUE(directory.has_value());
  ASSERT_TRUE(directory->sound()) << directory->findings.front().message;
  EXPECT_EQ(directory->find("a/huge")->size_bytes, kHuge);
  EXPECT_EQ(directory->find("a/huge")->data_offset, huge);
  EXPECT_EQ(directory->find("a/far")->data_offset, far);
  EXPECT_EQ(directory->find("a/end")->crc, crc32_of(std::as_bytes(std::span("y", 1))));
}

TEST(ZipPlanner, MoreEntriesThan16BitsCount) {
  ZipPlanner zip(64);
  for (int i = 0; i < 66'000; ++i) zip.add("a/" + std::to_string(i), uint64_t{0});
  const ZipPlan plan = zip.finish();
  const auto directory = read_zip_directory(PlannedFile(plan), uint64_t{16} << 20);
  ASSERT_TRUE(directory.has_value());
  ASSERT_TRUE(directory->sound()) << directory->findings.front().message;
  EXPECT_EQ(directory->entries.size(), 66'000u);
}

TEST(Crc32Runs, AnyOrderGivesTheSumOfTheWhole) {
  std::string text(100'000, '\0');
  for (size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * i >> 3);
  const auto bytes = std::as_bytes(std::span(text));
  constexpr size_t kPiece = 1000;
  for (const size_t step : {1u, 3u, 37u, 99u}) {
    Crc32Runs runs;
    for (size_t i = 0; i < 100; ++i) {
      const size_t piece = i * step % 100 * kPiece;
      runs.add(piece, bytes.subspan(piece, kPiece));
    }
    EXPECT_EQ(runs.value(), crc32_of(bytes)) << step;
  }
  EXPECT_EQ(Crc32Runs().value(), 0u);
}

std::vector<uint32_t> alone(size_t count) {
  std::vector<uint32_t> places(count);
  for (uint32_t i = 0; i < count; ++i) places[i] = i;
  return places;
}

TEST(TorchWriter, EveryTypeOfTorchReadsBack) {
  std::vector<TensorSpec> specs;
  for (const DType dtype :
       {DType::F64,     DType::F32,         DType::F16,         DType::BF16,    DType::I64,
        DType::I32,     DType::I16,         DType::I8,          DType::U64,     DType::U32,
        DType::U16,     DType::U8,          DType::BOOL,        DType::C64,     DType::F8_E4M3,
        DType::F8_E5M2, DType::F8_E4M3FNUZ, DType::F8_E5M2FNUZ, DType::F8_E8M0, DType::F4})
    specs.push_back({std::string(name(dtype)), dtype, {3, 5, 4}});
  specs.push_back({"scalar", DType::F32, {}});
  specs.push_back({"empty", DType::F32, {0, 3}});
  specs.push_back({"five", DType::F16, {1, 2, 1, 2, 1}});
  specs.push_back({"same", DType::F16, {4}});
  std::vector<uint32_t> shares = alone(specs.size());
  shares.back() = shares[shares.size() - 2];

  const auto layout = plan_torch_file(specs, shares, {.root = "model"});
  ASSERT_TRUE(layout.has_value()) << layout.error().message;
  EXPECT_EQ(layout->storages.size(), specs.size() - 1);
  const PlannedFile file(layout->zip);
  auto torch = TorchFile::read(file, kMaxBytes);
  ASSERT_TRUE(torch.has_value());
  ASSERT_TRUE(torch->has_object());
  for (const Finding& finding : torch->take_findings())
    EXPECT_EQ(finding.check, Check::AllowedGlobal) << finding.message;
  size_t tensors = 0;
  for (PickleId id = 0; id < torch->pickle().node_count(); ++id) {
    if (!torch->is_tensor(id)) continue;
    const auto tensor = torch->tensor(id);
    ASSERT_TRUE(tensor.has_value()) << tensor.error().message;
    const TensorSpec& spec = specs[tensors];
    EXPECT_EQ(tensor->dtype, spec.dtype) << spec.name;
    EXPECT_EQ(tensor->shape, spec.shape) << spec.name;
    const auto storage = std::min(tensors++, layout->storages.size() - 1);
    EXPECT_EQ(tensor->offset_bytes, layout->storages[storage].offset_bytes) << spec.name;
    EXPECT_EQ(tensor->offset_bytes % 64, 0u);
  }
  EXPECT_EQ(tensors, specs.size());
}

TEST(TorchWriter, NumbersOfEverySize) {
  std::vector<TensorSpec> specs;
  for (const uint64_t size : {0ull, 1ull, 255ull, 256ull, 65535ull, 65536ull, (1ull << 31) - 1,
                              1ull << 31, 1ull << 40, (1ull << 47) - 1, 1ull << 47})
    specs.push_back({std::to_string(size), DType::U8, {size}});
  const auto layout = plan_torch_file(specs, alone(specs.size()), {});
  ASSERT_TRUE(layout.has_value());
  const PlannedFile file(layout->zip);
  const auto torch = TorchFile::read(file, kMaxBytes);
  ASSERT_TRUE(torch.has_value());
  size_t i = 0;
  for (PickleId id = 0; id < torch->pickle().node_count(); ++id)
    if (torch->is_tensor(id)) {
      const auto tensor = torch->tensor(id);
      ASSERT_TRUE(tensor.has_value()) << tensor.error().message;
      EXPECT_EQ(tensor->shape, specs[i++].shape);
    }
  EXPECT_EQ(i, specs.size());
}

TEST(TorchWriter, MoreTensorsThanABatch) {
  std::vector<TensorSpec> specs;
  for (int i = 0; i < 2500; ++i) specs.push_back({"t" + std::to_string(i), DType::F32, {2}});
  const auto layout = plan_torch_file(specs, alone(specs.size()), {});
  ASSERT_TRUE(layout.has_value());
  const PlannedFile file(layout->zip);
  const auto torch = TorchFile::read(file, kMaxBytes);
  ASSERT_TRUE(torch->has_object());
  EXPECT_TRUE(torch->pickle().find(torch->pickle().root(), "t2499").has_value());
}

TEST(TorchWriter, RefusesWhatTorchHasNot) {
  const struct {
    const char* name;
    std::vector<TensorSpec> specs;
    ErrorCode code;
    std::string_view part;
  } kCases[] = {
      {"F6", {{"w", DType::F6_E2M3, {4}}}, ErrorCode::Unsupported, "'w' is of F6_E2M3"},
      {"F4 row", {{"w", DType::F4, {2, 3}}}, ErrorCode::Unsupported, "inside of a byte"},
      {"twice", {{"w", DType::F32, {1}}, {"w", DType::F32, {1}}}, ErrorCode::Usage, "'w'"},
  };
  for (const auto& c : kCases) {
    const auto layout = plan_torch_file(c.specs, alone(c.specs.size()), {});
    ASSERT_FALSE(layout.has_value()) << c.name;
    EXPECT_EQ(layout.error().code, c.code) << c.name;
    EXPECT_NE(layout.error().message.find(c.part), std::string::npos) << layout.error().message;
  }
}

}  // namespace
}  // namespace stkit
