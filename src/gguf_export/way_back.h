// From a tensor of a GGUF file to those of the model that it was made of: the rows of an
// architecture, read the other way.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/gguf_value.h"
#include "gguf_export/architecture.h"
#include "model/tensor_boxes.h"
#include "stkit/error.h"
#include "stkit/tensor.h"

namespace stkit::gguf_export {

// A tensor of the model, or a part of one, made of elements of one GGUF tensor. Offsets and strides
// are in elements, as if an element took a byte.
struct PublishedPart {
  std::string name;
  std::vector<uint64_t> shape;
  std::vector<uint64_t> view;    // the shape that the boxes are about
  std::vector<TensorBox> boxes;  // files are not filled in
  float shift = 0;               // added to each element
};

class WayBack {
 public:
  // `metadata` has the numbers of heads. Both must outlive it.
  WayBack(const Architecture& architecture, std::span<const GgufEntry> metadata);

  // Nothing for what converters add by themselves. Unsupported when the table does not tell the
  // way, or the tensor's shape is another.
  Result<std::vector<PublishedPart>> parts_of(const TensorInfo& tensor) const;

 private:
  const TensorRow* find_row(std::string_view to) const;
  Result<std::vector<PublishedPart>> rearranged(const TensorRow& row, const TensorInfo& tensor,
                                                std::span<const uint64_t> numbers,
                                                std::string_view ending) const;
  std::optional<uint64_t> number(std::string_view key, uint64_t layer) const;
  std::string published_name(const TensorRow& row, std::span<const uint64_t> numbers,
                             std::string_view ending) const;

  const Architecture& architecture_;
  const std::span<const GgufEntry> metadata_;
  std::map<std::string_view, const TensorRow*> rows_;  // by `to`; null: several, none the better
};

}  // namespace stkit::gguf_export
