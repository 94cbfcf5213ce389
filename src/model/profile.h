// What kind of model it is, as far as config.json, metadata and the names of tensors say.
#pragma once

#include <string>

#include "stkit/inspect.h"
#include "stkit/model.h"

namespace stkit {

Profile make_profile(const Model& model);

// How the weights are quantized already: what the configuration says, else what the tensors show.
// Empty for plain weights.
std::string find_quantization(const Model& model);

// True when `word` occurs in `text` as a word of its own, in CamelCase too: "dit" in
// "HunyuanDiT2D", but not in "ForConditionalGeneration". `word` is lower-case.
bool has_word(std::string_view text, std::string_view word);

// "Qwen3-8B" of "Qwen3-8B-00001-of-00003.safetensors"; empty for the names that every model's files
// have ("model.safetensors").
std::string_view base_name_of_weights(std::string_view file_name);

}  // namespace stkit
