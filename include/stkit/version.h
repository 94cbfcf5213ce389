// What this build is made of.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace stkit {

struct BuildInfo {
  std::string version;   // "0.1.0"
  std::string commit;    // short git commit, "-dirty" behind it when so; empty outside git
  std::string compiler;  // "GNU 12.2.0"
  std::string build_type;
  std::vector<std::string> simd_compiled;  // SIMD targets in this binary, best first
  std::string simd_used;                   // the one that this CPU gets
  std::vector<std::pair<std::string, std::string>> libraries;  // name, version
};

BuildInfo build_info();
std::string_view version();

}  // namespace stkit
