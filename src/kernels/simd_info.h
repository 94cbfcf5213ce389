// Which vector instructions the library was compiled for, and which of them this CPU gets.
#pragma once

#include <string>
#include <vector>

namespace stkit::kernels {

// Best first: "AVX3", "AVX2", "SSE4" ...
std::vector<std::string> compiled_simd_targets();
std::string used_simd_target();

}  // namespace stkit::kernels
