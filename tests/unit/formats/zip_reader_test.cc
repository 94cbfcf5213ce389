#include "formats/zip_reader.h"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "stkit/io.h"
#include "support/damage.h"
#include "support/zip_builder.h"

namespace stkit {
namespace {

using test::ZipBuilder;
using test::ZipItem;

ZipDirectory read(const std::string& bytes) {
  const auto file = open_memory_file("a.zip", std::as_bytes(std::span(bytes)));
  auto directory = read_zip_directory(*file, 1 << 20);
  EXPECT_TRUE(directory.has_value());
  return std::move(*directory);
}

Result<std::string> content(const std::string& bytes, std::string_view name,
                            uint64_t max_bytes = 1 << 20) {
  const auto file = open_memory_file("a.zip", std::as_bytes(std::span(bytes)));
  STKIT_ASSIGN(const ZipDirectory directory, read_zip_directory(*file, 1 << 20));
  const ZipEntry* entry = directory.find(name);
  if (entry == nullptr) return fail(ErrorCode::NotFound, "no entry");
  STKIT_ASSIGN(const ZipContent found, read_zip_entry(*file, *entry, max_bytes));
  return std::string(reinterpret_cast<const char*>(found.bytes.data()), found.bytes.size()) +
         (found.crc_matches ? "" : " (crc)");
}

std::string message(const std::string& bytes) {
  const ZipDirectory directory = read(bytes);
  return directory.sound() ? "sound" : directory.findings.front().message;
}

TEST(ZipReader, EntriesAreRunsOfTheFile) {
  const std::string bytes = ZipBuilder().add("b", "second").add("a/first", "1").bytes();
  const ZipDirectory directory = read(bytes);
  ASSERT_TRUE(directory.sound());
  ASSERT_EQ(directory.entries.size(), 2u);
  EXPECT_EQ(directory.entries[0].name, "a/first");
  const ZipEntry* b = directory.find("b");
  ASSERT_NE(b, nullptr);
  EXPECT_EQ(bytes.substr(b->data_offset, b->size_bytes), "second");
  EXPECT_EQ(directory.find("c"), nullptr);
}

TEST(ZipReader, ReadsWhatTorchWrites) {
  const std::string bytes =
      ZipBuilder()
          .add({.name = "m/data.pkl", .data = "pickle", .flags = 0x808, .alignment = 64})
          .add({.name = "m/data/0", .data = "", .flags = 0x800, .alignment = 64})
          .add({.name = "m/data/1", .data = "weights", .flags = 0x808, .alignment = 64})
          .zip64_end()
          .bytes();
  const ZipDirectory directory = read(bytes);
  ASSERT_TRUE(directory.sound()) << directory.findings.front().message;
  EXPECT_EQ(directory.find("m/data/1")->data_offset % 64, 0u);
  EXPECT_EQ(content(bytes, "m/data/1"), "weights");
}

TEST(ZipReader, ReadsDeflatedAndZip64Entries) {
  const std::string bytes = ZipBuilder()
                                .add_deflated("d", std::string(100'000, 'x'))
                                .add({.name = "z", .data = "wide", .zip64 = true})
                                .zip64_end()
                                .bytes();
  EXPECT_EQ(content(bytes, "d"), std::string(100'000, 'x'));
  EXPECT_EQ(content(bytes, "z"), "wide");
}

// T23: torch may save without computing CRCs, so a wrong one is told, not refused.
TEST(ZipReader, ComparesTheCrc) {
  const std::string bytes =
      ZipBuilder().add({.name = "a", .data = "x", .crc = 7, .crc_given = true}).bytes();
  EXPECT_EQ(content(bytes, "a"), "x (crc)");
}

// T23
TEST(ZipReader, RefusesWhatContradictsItself) {
  struct Case {
    const char* name;
    std::string bytes;
    const char* message;
  };
  const std::string good = ZipBuilder().add("a", "12345678").add("b", "x").bytes();
  const auto edited = [&](size_t at, std::string_view with) {
    std::string bytes = good;
    bytes.replace(at, with.size(), with);
    return bytes;
  };
  const size_t central = good.find("PK\1\2"), end = good.find("PK\5\6");
  ZipItem other{.name = "a", .data = "x"};
  other.local_name = "b";
  const Case cases[] = {
      {"empty", "", "too small"},
      {"no end", good.substr(0, end), "truncated"},
      {"cut in the middle", good.substr(0, 40), "truncated"},
      {"bytes in front", "#!/bin/sh\n" + good, "should lie at byte"},
      {"a byte behind", good + "x", "truncated"},
      {"encrypted", ZipBuilder().add({.name = "a", .data = "x", .flags = 1}).bytes(), "encrypted"},
      {"patched", ZipBuilder().add({.name = "a", .data = "x", .flags = 0x20}).bytes(), "encrypted"},
      {"strong", ZipBuilder().add({.name = "a", .data = "x", .flags = 0x40}).bytes(), "encrypted"},
      {"method", ZipBuilder().add({.name = "a", .data = "x", .method = 12}).bytes(), "method 12"},
      {"name differs", ZipBuilder().add(other).bytes(), "is another's"},
      {"local size differs", edited(22, "\x09"), "contradict"},
      {"local flags differ", edited(6, "\x08"), "contradict"},
      {"local method differs", edited(8, "\x08"), "contradict"},
      {"central offset", edited(central + 42, "\x03"), "is another's"},
      {"offset past the directory", edited(central + 43, "\x7F"), "but the directory starts"},
      {"more entries than bytes", edited(end + 8, "\xFF\x7F\xFF\x7F"), "cannot hold 32,767"},
      {"fewer entries", edited(end + 8, std::string_view("\1\0\1\0", 4)), "belong to no entry"},
      {"one of two disks", edited(end + 4, "\1"), "one volume"},
      {"duplicate", ZipBuilder().add("a", "1").add("a", "2").bytes(), "more than once"},
      {"climbing", ZipBuilder().add("../a", "1").bytes(), "out of a folder"},
      {"absolute", ZipBuilder().add("/etc/passwd", "1").bytes(), "out of a folder"},
      {"backslash", ZipBuilder().add("a\\..\\b", "1").bytes(), "out of a folder"},
      {"overlap",
       ZipBuilder()
           .add("a", "12345678")
           .add({.name = "a", .data = "x", .header_shift = -39})
           .bytes(),
       "overlaps"},
      {"two ends",
       good.substr(0, end) + good.substr(end, 20) + std::string("\x16\0", 2) + good.substr(end),
       "two ends"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    EXPECT_NE(message(c.bytes).find(c.message), std::string::npos) << message(c.bytes);
  }
}

// T23: neither a claimed nor a real size beyond the limit is believed.
TEST(ZipReader, BoundsWhatIsDecompressed) {
  const std::string honest = ZipBuilder().add_deflated("a", std::string(5000, 'x')).bytes();
  EXPECT_NE(content(honest, "a", 4999).error().message.find("the limit is 4,999"),
            std::string::npos);
  std::string packed = honest.substr(31, 5005);
  const auto with_size = [&](uint64_t size) {
    return ZipBuilder().add({.name = "a", .data = packed, .method = 8, .size_bytes = size}).bytes();
  };
  EXPECT_NE(content(with_size(4999), "a").error().message.find("more than the 4,999"),
            std::string::npos);
  EXPECT_NE(content(with_size(5001), "a").error().message.find("ends after 5,000"),
            std::string::npos);
  packed[0] = '\6';  // a block of a type that does not exist
  EXPECT_NE(content(with_size(5000), "a").error().message.find("damaged"), std::string::npos);
  packed = std::string(1000, '\0');
  EXPECT_NE(content(with_size(100'000'000), "a", 1 << 30).error().message.find("the limit is"),
            std::string::npos);
}

TEST(ZipReader, EveryTruncationAndEveryFlippedByteIsSurvived) {
  const std::string good = ZipBuilder()
                               .add({.name = "m/a", .data = "abc", .flags = 8})
                               .add("b", "d")
                               .zip64_end()
                               .bytes();
  test::for_each_truncation(
      good, [](const std::string& front) { EXPECT_FALSE(read(front).sound()) << front.size(); });
  constexpr uint8_t kMasks[] = {0xFF};
  test::for_each_flipped_byte(good, kMasks, [](const std::string& bytes, size_t at) {
    const auto file = open_memory_file("a.zip", std::as_bytes(std::span(bytes)));
    const ZipDirectory directory = read(bytes);
    if (!directory.sound()) return;
    for (const ZipEntry& entry : directory.entries)
      EXPECT_TRUE(read_zip_entry(*file, entry, 1 << 20).has_value()) << at;
  });
}

}  // namespace
}  // namespace stkit
