// Importance matrices of both forms: an error with a message, or values that a quantizer can use.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/check.h"
#include "formats/imatrix_reader.h"
#include "stkit/io.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace stkit;
  const auto file = open_memory_file("fuzz", std::as_bytes(std::span(data, size)));
  const auto imatrix = read_imatrix(*file);
  if (!imatrix) {
    STKIT_CHECK(!imatrix.error().message.empty());
    return 0;
  }
  for (const ImatrixEntry& entry : imatrix->entries) {
    STKIT_CHECK(imatrix->find(entry.name) == &entry);
    STKIT_CHECK(!entry.values.empty());
    STKIT_CHECK(entry.matrices == 0 || entry.values.size() % entry.matrices == 0);
    for (const float value : entry.values) STKIT_CHECK(std::isfinite(value) && value >= 0);
  }
  for (const Finding& finding : imatrix->findings)
    STKIT_CHECK(finding.severity() != Severity::Error);
  return 0;
}
