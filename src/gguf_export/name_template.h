// Names of tensors, and the numbers in them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace stkit::gguf_export {

// "layers.{}.mlp.experts.{}.w1.weight" and its numbers.
struct NameTemplate {
  std::string text;
  std::vector<uint64_t> numbers;
};
NameTemplate template_of(std::string_view name);

// ".weight", ".bias" or nothing.
std::string_view ending_of(std::string_view name);

}  // namespace stkit::gguf_export
