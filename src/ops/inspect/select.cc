#include <algorithm>
#include <numeric>

#include "stkit/inspect.h"
#include "stkit/text.h"

namespace stkit {

std::vector<uint32_t> select_tensors(const Model& model, std::string_view glob, Sort sort) {
  const auto tensors = model.tensors();
  std::vector<uint32_t> chosen;
  if (glob == "*") {
    chosen.resize(tensors.size());
    std::iota(chosen.begin(), chosen.end(), 0u);
  } else {
    for (uint32_t i = 0; i < tensors.size(); ++i)
      if (glob_match(glob, tensors[i].name)) chosen.push_back(i);
  }

  const auto sort_by = [&](auto&& before) {
    std::ranges::sort(chosen, [&](uint32_t a, uint32_t b) {
      if (before(tensors[a], tensors[b])) return true;
      return a < b && !before(tensors[b], tensors[a]);
    });
  };
  switch (sort) {
    case Sort::File: break;
    case Sort::Name:
      sort_by([](const auto& a, const auto& b) { return natural_less(a.name, b.name); });
      break;
    case Sort::Size:
      sort_by([](const auto& a, const auto& b) { return a.size_bytes > b.size_bytes; });
      break;
    case Sort::Params:
      sort_by([](const auto& a, const auto& b) { return a.element_count > b.element_count; });
      break;
    case Sort::Offset:
      sort_by([](const auto& a, const auto& b) {
        return a.file != b.file ? a.file < b.file : a.offset_bytes < b.offset_bytes;
      });
      break;
  }
  return chosen;
}

}  // namespace stkit
