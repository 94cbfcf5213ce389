#include <gtest/gtest.h>

#include "unit/formats/read_bytes.h"

namespace stkit {
namespace {

using namespace std::string_literals;

TEST(ForeignContent, IsNamedInTheFinding) {
  const std::string pointer =
      "version https://git-lfs.github.com/spec/v1\n"
      "oid sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n"
      "size 4976698592\n";
  struct {
    std::string bytes, what;
  } const cases[] = {
      {pointer,
       "a Git LFS pointer to a file of 4,976,698,592 bytes with SHA-256 "
       "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"},
      {"version https://git-lfs.github.com/spec/v1\noid sha256:beef\nsize many\n",
       "a Git LFS pointer"},
      {"<!DOCTYPE html><html><head>", "an HTML page"},
      {"\n  <HTML lang=en>", "an HTML page"},
      {"<?xml version=\"1.0\"?><Error>", "an XML or HTML document"},
      {R"({"error":"Repository not found"})", "a JSON document without the 8-byte length"},
      {"Entry not found", "a text file that begins with \"Entry not found\""},
      {"Access to model x is restricted\r\nmore",
       "a text file that begins with \"Access to model x is restricted\""},
      {"PK\x03\x04" + std::string(100, '\0'), "a zip archive"},
      {"GGUF\x03\0\0\0\x10\0\0\0\0\0\0\0"s, "a GGUF file"},
      {"\x80\x02}q\0X\x06\0\0"s, "a Python pickle, as PyTorch wrote before version 1.6"},
      {"\x80\x04\x95\x10\0\0\0\0\0\0\0"s, "a Python pickle"},
      {"\x1f\x8b\x08\0\0\0\0\0\xff\xff"s, "a gzip archive"},
      {"\x93NUMPY\x01\0v\0"s, "a NumPy array"},
      {std::string(4096, '\0'), "a run of zero bytes"},
  };
  for (const auto& row : cases) {
    const SafetensorsHeader header = test::read_bytes(row.bytes);
    ASSERT_EQ(header.findings.size(), 1u) << row.what;
    const Finding& finding = header.findings[0];
    EXPECT_EQ(finding.check, Check::NotSafetensors) << row.what;
    EXPECT_NE(finding.message.find("not safetensors but " + row.what.substr(0, 6)),
              std::string::npos)
        << finding.message;
    EXPECT_NE(finding.message.find(row.what), std::string::npos) << finding.message;
    EXPECT_FALSE(finding.hint.empty()) << row.what;
  }
}

TEST(ForeignContent, IsNotSeenInASoundFile) {
  // The length of this header is, byte for byte, the start of a zip archive's name.
  std::string text = "{}";
  text.resize(0x4B50, ' ');
  std::string bytes = "PK"s + std::string(6, '\0') + text;
  const SafetensorsHeader header = test::read_bytes(bytes);
  EXPECT_TRUE(header.sound());
}

TEST(ForeignContent, MaySayNothing) {
  EXPECT_EQ(recognise_foreign({}).what, "");
  const std::string noise = "\x01\x02\x03\xFF\xFE";
  EXPECT_EQ(recognise_foreign(std::as_bytes(std::span(noise))).what, "");
}

}  // namespace
}  // namespace stkit
