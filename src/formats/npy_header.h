// Arrays as NumPy saves them, alone (.npy) or as members of a zip archive (.npz).
//
//   +------------+-------+-------+-----------+------------------------------------+----------+
//   | 93 "NUMPY" | major | minor | u16: size | {'descr': '<f4',                   | elements |
//   |            |       |       | u32: v2,3 |  'fortran_order': False,           |          |
//   |            |       |       |           |  'shape': (2, 3), }  spaces  '\n'  |          |
//   +------------+-------+-------+-----------+------------------------------------+----------+
//
// The text is a Python literal of exactly these keys. Nothing else of Python is read, and nothing
// is run: an array of objects is a pickle behind its header, and no weights.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <vector>

#include "base/function_ref.h"
#include "stkit/dtype.h"
#include "stkit/error.h"
#include "stkit/finding.h"

namespace stkit {

struct NpyArray {
  DType dtype = DType::U8;
  std::vector<uint64_t> shape;
  std::vector<uint64_t> strides;  // in elements
  uint64_t header_bytes = 0;      // in front of the elements
  uint64_t size_bytes = 0;        // of the elements
  uint8_t swap_bytes = 0;         // of the numbers to turn around; 0: none
  bool is_void = false;           // two bytes without a type, taken for bfloat16
};

struct NpyProblem {
  Check check;  // NpySkipped for what is sound, but no numbers
  std::string message;
  uint64_t header_bytes = 0;
  bool is_pickle = false;  // what follows the header
};

using NpyHeader = std::expected<NpyArray, NpyProblem>;

// `content_bytes` is the size of the whole .npy file, which `read_at` reads. Fails only when that
// does.
using ReadAt = FunctionRef<Result<void>(uint64_t offset_bytes, std::span<std::byte> out)>;
Result<NpyHeader> read_npy_header(uint64_t content_bytes, ReadAt read_at);

}  // namespace stkit
