#include "formats/imatrix_reader.h"

#include <gtest/gtest.h>

#include <limits>
#include <numeric>

#include "support/damage.h"
#include "support/gguf_builder.h"
#include "unit/formats/read_gguf.h"

namespace stkit {
namespace {

using test::GgufBuilder;
using test::le;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

std::string floats(const std::vector<float>& values) {
  std::string bytes;
  for (const float value : values) bytes += le(value);
  return bytes;
}

Result<Imatrix> read(const std::string& bytes) {
  const auto file = open_memory_file("test.imatrix", std::as_bytes(std::span(bytes)));
  return read_imatrix(*file);
}

std::vector<float> values_of(const Imatrix& imatrix, std::string_view name) {
  const ImatrixEntry* const entry = imatrix.find(name);
  if (entry == nullptr) return {};
  return {entry->values.begin(), entry->values.end()};
}

// --- the legacy form ---

std::string legacy_entry(std::string_view name, int32_t calls, const std::vector<float>& values) {
  return le(static_cast<int32_t>(name.size())) + std::string(name) + le(calls) +
         le(static_cast<int32_t>(values.size())) + floats(values);
}

std::string legacy(const std::vector<std::string>& entries, std::string_view rest = "") {
  return le(static_cast<int32_t>(entries.size())) +
         std::accumulate(entries.begin(), entries.end(), std::string()) + std::string(rest);
}

std::string origin(int32_t chunks, std::string_view dataset) {
  return le(chunks) + le(static_cast<int32_t>(dataset.size())) + std::string(dataset);
}

TEST(LegacyImatrix, ReadsMeans) {
  const auto imatrix = read(legacy({legacy_entry("blk.1.ffn_up.weight", 4, {4, 8, 0}),
                                    legacy_entry("blk.0.ffn_up.weight", 0, {4, 8})},
                                   origin(125, "wiki.train.raw")));
  ASSERT_TRUE(imatrix) << imatrix.error().message;
  EXPECT_TRUE(imatrix->legacy);
  ASSERT_EQ(imatrix->entries.size(), 2u);
  EXPECT_EQ(imatrix->entries[0].name, "blk.0.ffn_up.weight") << "by name";
  EXPECT_EQ(values_of(*imatrix, "blk.1.ffn_up.weight"), (std::vector<float>{1, 2, 0}));
  EXPECT_EQ(values_of(*imatrix, "blk.0.ffn_up.weight"), (std::vector<float>{4, 8}))
      << "without calls the values are what they are";
  EXPECT_EQ(imatrix->find("output.weight"), nullptr);
  EXPECT_EQ(imatrix->chunk_count, 125u);
  ASSERT_EQ(imatrix->datasets.size(), 1u);
  EXPECT_EQ(imatrix->datasets[0], "wiki.train.raw");
  EXPECT_TRUE(imatrix->findings.empty());
}

TEST(LegacyImatrix, OlderFilesEndBehindTheEntries) {
  const std::string entry = legacy_entry("a", 1, {1});
  const auto none = read(legacy({entry}));
  ASSERT_TRUE(none) << none.error().message;
  EXPECT_EQ(none->chunk_count, 0u);
  EXPECT_TRUE(none->datasets.empty());
  const auto chunks_alone = read(legacy({entry}, le(7)));
  ASSERT_TRUE(chunks_alone) << chunks_alone.error().message;
  EXPECT_EQ(chunks_alone->chunk_count, 7u);
}

struct Case {
  std::string name;
  std::string bytes;
  std::string message;
};

void expect_corrupt(const std::vector<Case>& rows) {
  for (const Case& row : rows) {
    const auto imatrix = read(row.bytes);
    ASSERT_FALSE(imatrix) << row.name;
    EXPECT_EQ(imatrix.error().code, ErrorCode::Corrupt) << row.name;
    EXPECT_EQ(imatrix.error().path, "test.imatrix") << row.name;
    EXPECT_NE(imatrix.error().message.find(row.message), std::string::npos)
        << row.name << ": " << imatrix.error().message;
  }
}

TEST(LegacyImatrix, RefusesWhatIsDamaged) {
  const std::string entry = legacy_entry("a", 1, {1});
  constexpr int32_t kMost = std::numeric_limits<int32_t>::max();
  expect_corrupt({
      {"empty", "", "the number of entries takes 4 bytes"},
      {"no entries", le(0), "starts neither with `GGUF` nor with a number of entries"},
      {"negative entries", le(-1) + entry, "could hold (-1)"},
      {"2^31-1 entries", le(kMost) + entry, "could hold (2147483647)"},
      {"text", "this is no importance matrix", "starts neither"},
      {"short by a value", le(2) + entry + legacy_entry("b", 1, {1, 2}).substr(0, 17),
       "the values of 'b' takes 8 bytes from byte 34 on, but the file has only 4"},
      {"empty name", legacy({legacy_entry("", 1, {1, 1})}), "the name of entry 0 has 0 bytes"},
      {"negative name", le(1) + le(-5) + std::string(100, 'x'), "has -5 bytes"},
      {"long name", le(1) + le(1025) + std::string(2000, 'x'), "has 1025 bytes"},
      {"name past the end", le(1) + le(500) + std::string(100, 'x'),
       "an entry takes 500 bytes from byte 8 on, but the file has only 100"},
      {"no values", legacy({legacy_entry("a", 1, {}) + le(0)}), "entry 'a' has 0 values"},
      {"2^31-1 values", le(1) + le(1) + "a" + le(1) + le(kMost) + le(1.0f),
       "the values of 'a' takes 8,589,934,588 bytes"},
      {"name of the data set past the end", legacy({entry}, le(1) + le(100) + "x"),
       "takes 100 bytes"},
      {"negative name of the data set", legacy({entry}, le(1) + le(-1)), "has -1 bytes"},
      {"trailing bytes", legacy({entry}, origin(1, "x") + "yy"),
       "2 bytes follow the end of the importance matrix"},
      {"two entries of a name", legacy({entry, entry}), "has two entries 'a'"},
  });
}

TEST(LegacyImatrix, EveryTruncationIsFoundOrEndsBehindTheEntries) {
  const std::string entries = legacy({legacy_entry("a", 2, {1, 2}), legacy_entry("b", 2, {3})});
  const std::string bytes = entries + origin(3, "text");
  test::for_each_truncation(bytes, [&](const std::string& front) {
    EXPECT_EQ(read(front).has_value(),
              front.size() == entries.size() || front.size() == entries.size() + 4)
        << front.size();
  });
}

// --- the GGUF form ---

GgufBuilder gguf_imatrix() {
  return GgufBuilder()
      .text("general.type", "imatrix")
      .strings("imatrix.datasets", {"a.txt", "b.txt"})
      .u32("imatrix.chunk_count", 100)
      .u32("imatrix.chunk_size", 512);
}

TEST(GgufImatrix, ReadsMeansOfEachMatrix) {
  const auto imatrix =
      read(gguf_imatrix()
               .tensor("blk.0.ffn_up_exps.weight.in_sum2", 0, {2, 3}, floats({2, 4, 9, 9, 5, 10}))
               .tensor("blk.0.ffn_up_exps.weight.counts", 0, {1, 3}, floats({2, 0, 5}))
               .tensor("blk.0.attn_q.weight.counts", 0, {1}, floats({4}))
               .tensor("blk.0.attn_q.weight.in_sum2", 0, {2}, floats({4, 8}))
               .bytes());
  ASSERT_TRUE(imatrix) << imatrix.error().message;
  EXPECT_FALSE(imatrix->legacy);
  ASSERT_EQ(imatrix->entries.size(), 2u);
  EXPECT_EQ(values_of(*imatrix, "blk.0.attn_q.weight"), (std::vector<float>{1, 2}));
  EXPECT_EQ(values_of(*imatrix, "blk.0.ffn_up_exps.weight"), (std::vector<float>{1, 2, 1, 1, 1, 2}))
      << "an expert that was never used counts the same everywhere";
  EXPECT_EQ(imatrix->find("blk.0.ffn_up_exps.weight")->matrices, 3u);
  EXPECT_EQ(imatrix->datasets, (std::vector<std::string_view>{"a.txt", "b.txt"}));
  EXPECT_EQ(imatrix->chunk_count, 100u);
  EXPECT_EQ(imatrix->chunk_size, 512u);
  ASSERT_EQ(imatrix->findings.size(), 1u);
  EXPECT_EQ(imatrix->findings[0].check, Check::ImatrixUnseen);
  EXPECT_EQ(imatrix->findings[0].message,
            "1 of 3 matrices of 'blk.0.ffn_up_exps.weight' were never used");
}

TEST(GgufImatrix, RefusesWhatIsDamaged) {
  const auto pair = [](uint32_t type, const std::vector<uint64_t>& counts) {
    return gguf_imatrix()
        .tensor("w.in_sum2", 0, {2, 2}, floats({1, 2, 3, 4}))
        .tensor("w.counts", type, counts, type == 0 ? 4 * counts.back() : 8)
        .bytes();
  };
  ASSERT_TRUE(read(pair(0, {1, 2})));
  expect_corrupt({
      {"a model", GgufBuilder().text("general.type", "model").bytes(),
       "is GGUF of type 'model', not an importance matrix"},
      {"no keys", GgufBuilder().tensor("w", 0, {1}, 4).bytes(), "has no imatrix.datasets"},
      {"no entries", gguf_imatrix().bytes(), "the importance matrix has no entries"},
      {"sums alone", gguf_imatrix().tensor("w.in_sum2", 0, {2}, floats({1, 2})).bytes(),
       "weight 'w' has .in_sum2 but no .counts"},
      {"counts alone", gguf_imatrix().tensor("w.counts", 0, {1}, floats({1})).bytes(),
       "weight 'w' has .counts but no .in_sum2"},
      {"counts of another number", pair(0, {1, 3}), "sums of 2 matrices but counts of 3"},
      {"counts of another type", pair(26, {2}), "tensor 'w.counts' is of type I32, not F32"},
      {"truncated", pair(0, {1, 2}).substr(0, 300), "of 2 tensors, like those of an"},
      {"magic alone", "GGUF", "the start of the header"},
  });
}

// --- both ---

TEST(Imatrix, LeavesOutWhatNoMeanCanBe) {
  struct Row {
    std::string name;
    std::vector<float> values;
    std::string message;
  };
  const std::vector<Row> rows = {
      {"nan",
       {1, kNan, 2},
       "1 of 3 importances of 'w' are negative or not finite, the first is "
       "number 1: nan"},
      {"infinite", {kInf, 1}, "number 0: inf"},
      {"negative", {0, -1, -2}, "2 of 3 importances of 'w' are negative"},
  };
  for (const Row& row : rows) {
    const auto imatrix =
        read(legacy({legacy_entry("w", 0, row.values), legacy_entry("v", 1, {1})}));
    ASSERT_TRUE(imatrix) << row.name;
    EXPECT_EQ(imatrix->find("w"), nullptr) << row.name;
    EXPECT_NE(imatrix->find("v"), nullptr) << row.name;
    ASSERT_EQ(imatrix->findings.size(), 1u) << row.name;
    EXPECT_EQ(imatrix->findings[0].check, Check::ImatrixBadValues) << row.name;
    EXPECT_EQ(imatrix->findings[0].tensor, "w") << row.name;
    EXPECT_NE(imatrix->findings[0].message.find(row.message), std::string::npos)
        << imatrix->findings[0].message;
  }
}

TEST(Imatrix, WarnsOfZerosThroughout) {
  const auto imatrix =
      read(legacy({legacy_entry("w", 1, {0, 0, 0}), legacy_entry("v", 1, {0, 1})}));
  ASSERT_TRUE(imatrix);
  ASSERT_EQ(imatrix->findings.size(), 1u);
  EXPECT_EQ(imatrix->findings[0].check, Check::ImatrixAllZero);
  EXPECT_EQ(imatrix->findings[0].message, "all 3 importances of 'w' are zero");
  EXPECT_NE(imatrix->find("w"), nullptr);
}

TEST(Imatrix, FitsWeightsOfItsShapeOnly) {
  const auto imatrix = read(legacy({legacy_entry("w", 1, {1, 2, 3, 4, 5, 6})}));
  ASSERT_TRUE(imatrix);
  const ImatrixEntry& entry = imatrix->entries[0];
  EXPECT_TRUE(entry.values_for(1, 6));
  EXPECT_TRUE(entry.values_for(2, 3)) << "the legacy form does not tell";
  for (const auto& [matrices, columns] : std::vector<std::pair<uint64_t, uint64_t>>{
           {1, 5}, {2, 2}, {4, 1}, {0, 6}, {0, 0}, {uint64_t{1} << 63, 12}})
    EXPECT_FALSE(entry.values_for(matrices, columns)) << matrices << " x " << columns;
  const auto error = entry.values_for(1, 5);
  ASSERT_FALSE(error);
  EXPECT_EQ(error.error().message,
            "'w' has 6 importances, but the weight has 1 matrices of 5 columns");

  const auto experts = read(gguf_imatrix()
                                .tensor("w.in_sum2", 0, {3, 2}, floats({1, 2, 3, 4, 5, 6}))
                                .tensor("w.counts", 0, {1, 2}, floats({1, 1}))
                                .bytes());
  ASSERT_TRUE(experts);
  EXPECT_TRUE(experts->entries[0].values_for(2, 3));
  EXPECT_FALSE(experts->entries[0].values_for(1, 6));
}

// Whatever is damaged: a result whose values are such as they must be, or an error.
TEST(Imatrix, EveryFlippedBitGivesSoundValuesOrAnError) {
  const std::string files[] = {
      legacy({legacy_entry("a", 2, {1, 2}), legacy_entry("b", 2, {3})}, origin(3, "text")),
      gguf_imatrix()
          .tensor("w.in_sum2", 0, {2, 2}, floats({1, 2, 3, 4}))
          .tensor("w.counts", 0, {1, 2}, floats({1, 2}))
          .bytes()};
  for (const std::string& bytes : files) {
    size_t accepted = 0;
    test::for_each_flipped_bit(bytes, [&](const std::string& damaged, size_t at) {
      const auto imatrix = read(damaged);
      if (!imatrix) return;
      ++accepted;
      for (const ImatrixEntry& entry : imatrix->entries)
        for (const float value : entry.values) EXPECT_TRUE(value >= 0 && value < kInf) << at;
    });
    EXPECT_GT(accepted, 0u);
  }
}

}  // namespace
}  // namespace stkit
