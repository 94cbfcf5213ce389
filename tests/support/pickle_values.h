// Values of a pickle as the instructions that make them, to be put together like JSON.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/pickle_builder.h"

namespace stkit::test {

using PickleItems = std::vector<std::pair<std::string, std::string>>;  // a key's text, a value

// The instructions of a builder, which leave one value.
inline std::string pickled(const PickleBuilder& builder) {
  std::string bytes = builder.bytes();
  bytes.pop_back();
  return bytes;
}
inline std::string pickled_text(std::string_view text) {
  return pickled(PickleBuilder(0).string(text));
}
inline std::string pickled_number(int64_t number) {
  return pickled(PickleBuilder(0).integer(number));
}
inline std::string pickled_tuple(const std::vector<std::string>& values) {
  std::string all = "(";
  for (const std::string& one : values) all += one;
  return all + "t";
}
inline std::string pickled_list(const std::vector<std::string>& values) {
  std::string all = "](";
  for (const std::string& one : values) all += one;
  return all + "e";
}
inline std::string pickled_dict(const PickleItems& items) {
  std::string all = "}(";
  for (const auto& [key, one] : items) all += pickled_text(key) + one;
  return all + "u";
}
// torch.Size
inline std::string pickled_size(const std::vector<int64_t>& sizes) {
  return "ctorch\nSize\n" + pickled(PickleBuilder(0).integers(sizes)) + "\x85R";
}
// module.name(), with these attributes.
inline std::string pickled_object(std::string_view module, std::string_view name,
                                  const std::string& state) {
  return pickled(PickleBuilder(0).global(module, name)) + ")\x81" + state + "b";
}

}  // namespace stkit::test
