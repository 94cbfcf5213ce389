#pragma once

#include <gtest/gtest.h>

#include <span>
#include <string>

#include "formats/safetensors_reader.h"
#include "stkit/io.h"

namespace stkit::test {

inline constexpr uint64_t kDefaultLimit = 100'000'000;

inline SafetensorsHeader read_bytes(const std::string& bytes, uint64_t limit = kDefaultLimit) {
  const auto file = open_memory_file("test.safetensors", std::as_bytes(std::span(bytes)));
  auto header = read_safetensors_header(*file, limit);
  EXPECT_TRUE(header) << header.error().message;
  return header ? std::move(*header) : SafetensorsHeader{};
}

// Errors and warnings; notes say nothing about soundness.
inline std::vector<Check> serious(const SafetensorsHeader& header) {
  std::vector<Check> checks;
  for (const Finding& finding : header.findings)
    if (finding.severity() != Severity::Note) checks.push_back(finding.check);
  return checks;
}

}  // namespace stkit::test
