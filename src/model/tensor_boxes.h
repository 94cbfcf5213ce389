// Tensors whose bytes are no single run of one file: strided views of a storage, slices on many
// ranks, chunks of a distributed checkpoint.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/function_ref.h"
#include "stkit/error.h"
#include "stkit/io.h"
#include "stkit/tensor.h"

namespace stkit {

// A part of a tensor: the indices origin <= i < origin + size, kept in a file with any strides.
struct TensorBox {
  uint32_t file = 0;          // of the model; see BoxedTensor::sources
  uint64_t offset_bytes = 0;  // of the element at `origin`
  std::vector<uint64_t> origin = {};
  std::vector<uint64_t> size = {};
  std::vector<uint64_t> strides = {};  // in units, see BoxedTensor

  friend bool operator==(const TensorBox&, const TensorBox&) = default;
};

// Its boxes are disjoint and cover it. It may be seen in another shape than the tensor's own, of as
// many elements in the same order: flat, where it was flattened to be dealt to ranks.
struct BoxedTensor {
  std::vector<uint64_t> shape = {};  // in units: whole blocks of the dtype
  std::vector<TensorBox> boxes = {};
  uint16_t unit_bytes = 1;
  uint8_t swap_bytes = 0;  // the size of the numbers that are stored big-endian; 0: none
  // What TensorBox::file is an index into where the bytes are not those of the model's files:
  // content that is decompressed or decoded when it is read.
  std::vector<std::shared_ptr<const RandomAccessFile>> sources = {};

  friend bool operator==(const BoxedTensor&, const BoxedTensor&) = default;
};

// One box over all of it; shape and strides are brought to the fewest dimensions that say the same.
BoxedTensor strided_tensor(uint32_t file, uint64_t offset_bytes, std::span<const uint64_t> shape,
                           std::span<const uint64_t> strides, uint16_t unit_bytes);

// Whether the bytes are one run after all: one box, dense, of the right byte order.
bool is_contiguous(const BoxedTensor& tensor);

using OpenBoxFile = FunctionRef<Result<std::shared_ptr<const RandomAccessFile>>(uint32_t file)>;

// Units [first, first + out.size() / unit_bytes), in bounded memory besides `out`.
// REQUIRES: they are inside the tensor.
Result<void> read_boxes(const BoxedTensor& tensor, uint64_t first, std::span<std::byte> out,
                        OpenBoxFile open);

}  // namespace stkit
