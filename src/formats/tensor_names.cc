#include "formats/tensor_names.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "stkit/text.h"

namespace stkit {

bool is_odd_tensor_name(std::string_view name) {
  const auto is_unusual = [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte >= 0x7F || c == '/' || c == '\\';
  };
  if (std::ranges::none_of(name, is_unusual)) return name.find("..") != std::string_view::npos;
  return name.find_first_of("/\\") != std::string_view::npos ||
         name.find("..") != std::string_view::npos || printable(name) != name;
}

std::vector<uint32_t> superseded_names(uint32_t count,
                                       FunctionRef<std::string_view(uint32_t)> name_of) {
  struct Key {
    uint64_t hash;
    uint32_t index;
  };
  std::vector<Key> keys(count);
  for (uint32_t i = 0; i < count; ++i) keys[i] = {std::hash<std::string_view>()(name_of(i)), i};
  // Names are looked at only where hashes are equal; a forged header of equal hashes costs a sort.
  std::ranges::sort(keys, [&](const Key& a, const Key& b) {
    if (a.hash != b.hash) return a.hash < b.hash;
    return std::pair(name_of(a.index), a.index) < std::pair(name_of(b.index), b.index);
  });
  std::vector<uint32_t> superseded;
  for (size_t i = 1; i < keys.size(); ++i)
    if (keys[i - 1].hash == keys[i].hash && name_of(keys[i - 1].index) == name_of(keys[i].index))
      superseded.push_back(keys[i - 1].index);
  std::ranges::sort(superseded);
  return superseded;
}

}  // namespace stkit
