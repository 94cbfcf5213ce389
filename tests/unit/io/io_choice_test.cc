#include "io/io_choice.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <vector>

#include "assembly_case.h"

namespace stkit {
namespace {

using enum IoFacts::Cached;
using Kind = WriteBack::Kind;

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kGiB = uint64_t{1} << 30;

TEST(IoChoice, ByWhatIsSeen) {
  struct Row {
    const char* name;
    IoMode mode;
    IoFacts facts;
    IoChoice expected;
  };
  const auto facts = [](uint64_t bytes, IoFacts::Cached cached, bool synced, bool local) {
    return IoFacts{bytes, 64 * kGiB, cached, synced, local};
  };
  const Row rows[] = {
      {"small", IoMode::Auto, facts(kMiB, Hardly, false, true), {}},
      {"cached", IoMode::Auto, facts(kGiB, Mostly, false, true), {}},
      {"cold", IoMode::Auto, facts(kGiB, Hardly, false, true), {}},
      {"small, synced", IoMode::Auto, facts(kMiB, Hardly, true, true), {false, false, Kind::Early}},
      {"cached, synced", IoMode::Auto, facts(kGiB, Mostly, true, true), {false, true, Kind::Early}},
      {"cold, synced", IoMode::Auto, facts(kGiB, Hardly, true, true), {true, true, Kind::Early}},
      {"unknown", IoMode::Auto, facts(kGiB, Unknown, false, true), {}},
      {"unknown, synced",
       IoMode::Auto,
       facts(kGiB, Unknown, true, true),
       {true, true, Kind::Early}},
      {"fills memory",
       IoMode::Auto,
       facts(20 * kGiB, Mostly, false, true),
       {false, true, Kind::Drop, true}},
      {"network", IoMode::Auto, facts(kGiB, Hardly, true, false), {false, false, Kind::Early}},
      {"network, fills memory",
       IoMode::Auto,
       facts(20 * kGiB, Hardly, false, false),
       {false, false, Kind::Drop, true}},
      {"buffered", IoMode::Buffered, facts(kGiB, Hardly, true, true), {false, false, Kind::Early}},
      {"buffered, fills memory",
       IoMode::Buffered,
       facts(20 * kGiB, Hardly, true, true),
       {false, false, Kind::Drop, true}},
      {"direct", IoMode::Direct, facts(kMiB, Mostly, false, false), {true, true}},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    const IoChoice choice = choose_io(row.mode, row.facts);
    EXPECT_EQ(choice.direct_read, row.expected.direct_read);
    EXPECT_EQ(choice.direct_write, row.expected.direct_write);
    EXPECT_EQ(choice.write_back, row.expected.write_back);
    EXPECT_EQ(choice.drop_sources, row.expected.drop_sources);
  }
}

// Says that a part of each file's samples is cached.
class CachedCalls final : public SystemCalls {
 public:
  explicit CachedCalls(int percent) : percent_(percent) {}
  ssize_t cached_bytes(int, off_t offset, size_t size) override {
    EXPECT_EQ(offset % 4096, 0);
    ++samples;
    if (percent_ >= 0) return static_cast<ssize_t>(size) * percent_ / 100;
    errno = EPERM;
    return -1;
  }
  int samples = 0;

 private:
  const int percent_;
};

IoFacts::Cached sample(SystemCalls& calls, test::AssemblyCase& one, uint64_t file_bytes) {
  return sample_page_cache(calls, one.segments(), file_bytes, one.options(IoMode::Auto, {}))
      .value();
}

TEST(IoChoice, SamplesThePageCache) {
  test::AssemblyCase one;
  one.add_source(test::random_bytes(3'000'000, 1));
  one.add_memory("header");
  for (uint64_t i = 0; i < 500; ++i) one.add_copy(0, i * 6000, 5999);
  const struct {
    int percent;
    IoFacts::Cached expected;
  } rows[] = {{0, Hardly}, {40, Hardly}, {60, Mostly}, {100, Mostly}, {-1, Unknown}};
  for (const auto& row : rows) {
    CachedCalls calls(row.percent);
    EXPECT_EQ(sample(calls, one, 500 * 5999), row.expected) << row.percent;
    EXPECT_GE(calls.samples, 60);
    EXPECT_LE(calls.samples, 70);
  }
}

TEST(IoChoice, WhatWasJustWrittenIsCached) {
  test::AssemblyCase one;
  one.add_source(test::random_bytes(1'000'000, 1));
  one.add_copy(0, 0, 1'000'000);
  EXPECT_EQ(sample(SystemCalls::real(), one, 1'000'000), Mostly);
}

TEST(IoChoice, FilesWithoutADescriptorSayNothing) {
  test::AssemblyCase one;
  one.add_memory_source(test::random_bytes(1'000'000, 1));
  one.add_copy(0, 0, 1'000'000);
  EXPECT_EQ(sample(SystemCalls::real(), one, 1'000'000), Unknown);
  test::AssemblyCase nothing;
  EXPECT_EQ(sample(SystemCalls::real(), nothing, 0), Unknown);
}

}  // namespace
}  // namespace stkit
