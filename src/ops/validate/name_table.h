// Tensor names taken apart once: "model.layers.7.mlp.experts.3.w1.weight" is the pattern
// "model.layers.#.mlp.experts.#.w1.weight" with the indices 7 and 3. A model of 92,000 tensors has
// a few hundred patterns, so rules are matched against patterns and then applied to tensors.
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "stkit/tensor.h"

namespace stkit {

struct NamePattern {
  std::string text;
  std::string_view stack;  // up to the first index, without its dot: "model.layers"; or empty
  std::string_view rest;   // behind the first index: "mlp.experts.#.w1.weight"; all without one
  bool expert = false;     // the second index counts experts
  uint32_t tensors = 0;

  std::string_view last_component() const {
    return std::string_view(text).substr(text.rfind('.') + 1);
  }
};

struct SplitName {
  uint32_t pattern = 0;
  uint32_t layer = 0;   // the first index; 0 when there is none
  uint32_t expert = 0;  // the second one
};

class NameTable {
 public:
  explicit NameTable(std::span<const TensorInfo> tensors);

  const std::deque<NamePattern>& patterns() const { return patterns_; }
  const NamePattern& pattern(uint32_t tensor) const { return patterns_[names_[tensor].pattern]; }
  // By index of the tensors that it was made of.
  std::span<const SplitName> names() const { return names_; }

 private:
  uint32_t intern(const std::string& text);

  std::deque<NamePattern> patterns_;  // never moves, so that views into it stay valid
  std::unordered_map<std::string_view, uint32_t> ids_;
  std::vector<SplitName> names_;
};

}  // namespace stkit
