// Files, sound and broken, with the verdicts of the reference library and of this one. The unit
// test holds the reader against the table, the interop test the table against the real library.
#pragma once

#include <string>
#include <vector>

#include "stkit/finding.h"

namespace stkit::test {

struct SafetensorsCase {
  std::string name;
  std::string bytes;
  bool rust_accepts;
  std::vector<Check> checks;     // of the findings that are errors or warnings, in their order
  std::string stricter_because;  // why we refuse what the Rust library takes; else empty
};

const std::vector<SafetensorsCase>& safetensors_cases();

}  // namespace stkit::test
