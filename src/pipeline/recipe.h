// What an output tensor is made of: elements of an input, then an encoding. merge, quantize and the
// exporters write recipes; write_file.h alone carries them out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "stkit/error.h"
#include "stkit/model.h"
#include "stkit/tensor.h"
#include "stkit/writer.h"

namespace stkit {

// Turns elements of one input tensor into elements of one output tensor. Thread-safe. Allocates
// nothing per call, so that a plan's memory is known.
class Encoding {
 public:
  virtual ~Encoding() = default;

  // Elements that only go together: at least one block of both types, a row where the encoding
  // looks at whole rows. The tensor is a multiple of it.
  virtual uint64_t unit_elements() const = 0;

  // `in` has the elements from `first_element` on, as the input stores them; `out` has exactly
  // their bytes in the output's type. Called once for each element, in pieces of whole units that
  // depend on the plan alone (see BlockProducer).
  virtual Result<void> encode(uint64_t first_element, std::span<const std::byte> in,
                              std::span<std::byte> out) = 0;
};

// Elements that are no tensor of the model as it is: rearranged, stacked, computed. Thread-safe.
class ElementInput {
 public:
  virtual ~ElementInput() = default;

  virtual DType dtype() const = 0;  // of what read() gives; one element a block
  // The bytes of one file that are all elements in their order, if they are that.
  virtual std::optional<ByteRun> run() const = 0;
  // Elements [first, first + count). REQUIRES: they are there; out has exactly their bytes.
  virtual Result<void> read(uint64_t first, uint64_t count, std::span<std::byte> out) const = 0;
};

struct TensorRecipe {
  const TensorInfo* source = nullptr;       // of the plan's model; null: `input`
  std::unique_ptr<Encoding> encoding = {};  // null: the bytes as they are
  std::unique_ptr<const ElementInput> input = {};
};

// One output file, every byte of which is known but for the tensors'.
struct FilePlan {
  struct Tensor {
    uint32_t recipe;        // index into OutputPlan::recipes
    uint64_t offset_bytes;  // in the file
    uint64_t size_bytes;
  };
  std::string name;             // relative to the output folder
  std::string header;           // from the start of the file
  std::vector<Tensor> tensors;  // by offset; what lies between them is zeros
  uint64_t file_bytes = 0;
};

struct OutputPlan {
  std::vector<TensorSpec> specs;      // of the output tensors
  std::vector<TensorRecipe> recipes;  // by index of specs
  std::vector<FilePlan> files;
};

}  // namespace stkit
