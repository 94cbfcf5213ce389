// What a model holds, for tests to compare.
#pragma once

#include <gtest/gtest.h>

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "stkit/model.h"

namespace stkit::test {

template <class T>
std::vector<T> values(const Model& model, std::string_view name) {
  const TensorInfo* const tensor = model.find(name);
  EXPECT_NE(tensor, nullptr) << name;
  if (tensor == nullptr) return {};
  std::vector<T> all(tensor->size_bytes / sizeof(T));
  EXPECT_TRUE(
      model.read(*tensor, 0, tensor->element_count, std::as_writable_bytes(std::span(all))));
  return all;
}

inline std::vector<float> floats(const Model& model, std::string_view name) {
  return values<float>(model, name);
}

// "a b c "
inline std::string names(const Model& model) {
  std::string text;
  for (const TensorInfo& tensor : model.tensors()) text += std::string(tensor.name) + " ";
  return text;
}

// A line for each finding, but those about pickles that are in order: "PK013 the message".
inline std::string messages(const Model& model) {
  std::string text;
  for (const Finding& finding : model.findings())
    if (finding.check != Check::AllowedGlobal)
      text += std::string(info(finding.check).id) + " " + finding.message + "\n";
  return text;
}

}  // namespace stkit::test
