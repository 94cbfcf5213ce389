// NumPy's files made in code, right or wrong.
#pragma once

#include <string>
#include <string_view>

namespace stkit::test {

// A whole .npy file: `header` is the literal, which is padded as NumPy does, unless it is given as
// it should be.
inline std::string npy_of_header(std::string header, std::string_view data, int major = 1,
                                 bool pad = true) {
  const size_t prefix = major == 1 ? 10 : 12;
  if (pad) {
    header.append(63 - (prefix + header.size()) % 64, ' ');
    header += '\n';
  }
  std::string bytes = "\x93NUMPY";
  bytes += static_cast<char>(major);
  bytes += '\0';
  for (int i = 0; i < (major == 1 ? 2 : 4); ++i)
    bytes += static_cast<char>(header.size() >> (8 * i) & 0xFF);
  return bytes + header + std::string(data);
}

// npy("<f4", "(2, 3)", data)
inline std::string npy(std::string_view descr, std::string_view shape, std::string_view data,
                       bool fortran_order = false) {
  return npy_of_header("{'descr': '" + std::string(descr) +
                           "', 'fortran_order': " + (fortran_order ? "True" : "False") +
                           ", 'shape': " + std::string(shape) + ", }",
                       data);
}

}  // namespace stkit::test
