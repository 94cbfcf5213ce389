// What holds for tensor names in every container.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/function_ref.h"

namespace stkit {

// Whether a program that takes names for file names, or prints them, could trip over this one.
bool is_odd_tensor_name(std::string_view name);

// Of names numbered 0 to count - 1: those that occur again behind them, ascending. Time O(n log n)
// whatever the names are.
std::vector<uint32_t> superseded_names(uint32_t count,
                                       FunctionRef<std::string_view(uint32_t)> name_of);

// Removes the items whose numbers are in `dropped`, which is ascending; items are numbered from
// `first` on.
template <class T>
void drop_items(std::vector<T>& items, std::span<const uint32_t> dropped, uint32_t first = 0) {
  uint32_t number = first;
  auto next = std::ranges::lower_bound(dropped, first);
  std::erase_if(items, [&](const T&) {
    if (next == dropped.end() || *next != number++) return false;
    ++next;
    return true;
  });
}

}  // namespace stkit
