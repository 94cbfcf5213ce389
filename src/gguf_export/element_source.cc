#include "gguf_export/element_source.h"

#include "base/check.h"
#include "gguf_export/packed_rows.h"

namespace stkit::gguf_export {

Box run_of(uint32_t tensor, uint64_t first, uint64_t count) {
  return box_of(tensor, first, {{count, 1}});
}

Box box_of(uint32_t tensor, uint64_t first, std::initializer_list<Axis> axes) {
  STKIT_CHECK(axes.size() <= Box::kMaxAxes);
  Box box{.tensor = tensor, .first_element = first};
  size_t at = Box::kMaxAxes - axes.size();
  for (const Axis& axis : axes) box.axes[at++] = axis;
  return box;
}

uint64_t ElementSource::element_count() const {
  if (packed) return packed->matrices * packed->rows * packed->row_blocks * kPackedBlockElements;
  uint64_t count = constants.size();
  for (const Box& box : boxes) count += box.element_count();
  return count;
}

}  // namespace stkit::gguf_export
