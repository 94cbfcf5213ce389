#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "formats/gguf_reader.h"
#include "stkit/io.h"

namespace stkit::test {

inline constexpr uint64_t kGgufLimit = 100'000'000;

inline GgufHeader read_gguf(const std::string& bytes, uint64_t limit = kGgufLimit) {
  const auto file = open_memory_file("test.gguf", std::as_bytes(std::span(bytes)));
  auto header = read_gguf_header(*file, limit);
  EXPECT_TRUE(header) << header.error().message;
  return header ? std::move(*header) : GgufHeader{};
}

inline std::string slugs(const std::vector<Check>& checks) {
  std::string text;
  for (const Check check : checks) text += fmt::format("{} ", info(check).slug);
  return text;
}

// Of all findings but notes.
inline std::string serious_slugs(const std::vector<Finding>& findings) {
  std::vector<Check> checks;
  for (const Finding& finding : findings)
    if (finding.severity() != Severity::Note) checks.push_back(finding.check);
  return slugs(checks);
}

inline std::string messages(const std::vector<Finding>& findings) {
  std::string text;
  for (const Finding& finding : findings) text += "  " + finding.message + "\n";
  return text;
}

}  // namespace stkit::test
