// What the parts of a model's name say: "Qwen2.5-0.5B-Instruct" is a base name, a size and a
// purpose.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace stkit::gguf_export {

// Empty where the name does not say.
struct ModelId {
  std::string name;          // without the organization
  std::string organization;  // of "organization/name"
  std::string basename, finetune, version, size_label;
};

// A size that is far from the number of parameters is taken for a context length ("-128k").
// `parameters` of 0: not known.
ModelId parse_model_id(std::string_view id, uint64_t parameters);

// "Qwen2.5 0.5B Instruct" of "Qwen2.5-0.5B-instruct".
std::string title_of(std::string_view id);

}  // namespace stkit::gguf_export
